"""The Relacy section."""

import report_html as html


def body(document):
    counts = html.table(["count", "value"], [[html.words(k), v] for k, v in document["counts"].items()])
    return counts + html.anything(document["details"])
