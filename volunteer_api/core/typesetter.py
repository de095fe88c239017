"""The child process that sets one document: its order as JSON on standard input, the PDF or PNG on standard output.

Run as a script, by path and isolated (`python -I`), with nothing of the application loaded. It ends after one document:
Typst keeps what it laid out, so that in a server each document would cost its hundred megabytes for ever.
"""

import contextlib
import json
import os
import resource
import sys

import typst

# A point of a picture becomes two dots.
PICTURE_PPI = 144.0


def main() -> int:
    """Set the one document; returns the exit code. Out of memory ends it by a signal, as Rust does it too."""
    order = json.load(sys.stdin.buffer)
    failed: int = order["template_failed"]
    bounds = {resource.RLIMIT_DATA: order["memory_bytes"], resource.RLIMIT_CPU: order["cpu_seconds"]}
    for bound, value in bounds.items():
        # A platform may lack a bound, or have a lower one already.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(bound, (value, value))
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[order["fonts"]])
    try:
        document, warnings = typst.compile_with_warnings(  # type: ignore[call-overload]  # it takes several files, its stubs say one
            {name: text.encode() for name, text in order["files"].items()},
            font_paths=fonts,
            sys_inputs={"data": json.dumps(order["data"])},
            format=order["form"],
            ppi=PICTURE_PPI,
            timestamp=order["timestamp"],
            # Tags multiply the size of a long table by twenty-five; whoever needs the table as data takes the workbook.
            pdf_tags=False,
        )
    except typst.TypstError as error:
        sys.stderr.write(error.diagnostic or error.message)
        return failed
    except MemoryError:
        os.abort()
    if warnings:
        sys.stderr.write("\n".join(warning.message for warning in warnings))
        return failed
    sys.stdout.buffer.write(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
