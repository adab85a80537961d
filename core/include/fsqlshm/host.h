/** @file
 * Machines that cannot use a header in place are refused when a program is compiled. For C and C++. */

#ifndef FSQLSHM_HOST_H_
#define FSQLSHM_HOST_H_

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "fsqlshm: the words of a header are little-endian, and used in place: no big-endian machine"
#endif
#if __SIZEOF_POINTER__ != 8
#error "fsqlshm: processes share atomic words of 64 bits, and large files: no 32-bit machine"
#endif

#endif /* FSQLSHM_HOST_H_ */
