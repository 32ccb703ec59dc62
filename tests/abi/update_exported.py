"""Write abi/exported.txt anew from the headers.

Adding a line is a promise; removing one breaks it.
"""

from headers import ROOT, declared

(ROOT / "abi" / "exported.txt").write_text("\n".join(sorted(declared())) + "\n")
