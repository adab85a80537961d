// Relacy. Everything that its headers include comes before them, because they redefine words of the
// language; the macros are gone again right after them. For checker.cc alone.

#ifndef FSQLSHM_RELACY_RELACY_HEADERS_H_
#define FSQLSHM_RELACY_RELACY_HEADERS_H_

#include <sys/times.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <typeinfo>
#include <utility>

// clang-format off
#include <relacy/relacy.hpp>
// clang-format on
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno

#endif  // FSQLSHM_RELACY_RELACY_HEADERS_H_
