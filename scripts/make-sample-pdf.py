#!/usr/bin/env python3
"""Writes a small three-page PDF for the browser tests, with nothing but the standard library."""

import sys
import textwrap

PAGES = [
    ("The lighthouse of Cordouan",
     "Cordouan is a lighthouse at the mouth of the Gironde estuary in France. It is the oldest lighthouse in the country that is still "
     "in use. The tower stands 67.5 metres high. Because of its age and its rich rooms it is called the Versailles of the sea."),
    ("History",
     "The engineer Louis de Foix began the present tower in 1584. It was finished in 1611 after his death. In 1790 the tower was raised "
     "by 30 metres. The first Fresnel lens was tried out at Cordouan in July 1823."),
    ("Visitors",
     "Boats leave from Royan and from Le Verdon between April and October. The stair has 301 steps. Four keepers in turn look after the "
     "tower, so that it is never left alone. UNESCO added Cordouan to the World Heritage List in 2021."),
]


def page_content(title, body):
    lines = ["BT /F1 20 Tf 72 760 Td", f"({title}) Tj", "/F1 12 Tf 0 -32 Td"]
    for line in textwrap.wrap(body, 80):
        lines += [f"({line}) Tj", "0 -16 Td"]
    return "\n".join(lines + ["ET"]).encode("latin-1")


def main(path):
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(PAGES)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(PAGES)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for index, page in enumerate(PAGES):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 842] /Contents {5 + 2 * index} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> >>".encode())
        content = page_content(*page)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, xref)
    with open(path, "wb") as file:
        file.write(out)


if __name__ == "__main__":
    main(sys.argv[1])
