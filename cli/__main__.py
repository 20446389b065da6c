import os
import sys

from cli.commands import main

code = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
# not sys.exit: threads of the object store may still be at work, and one that comes back to an
# interpreter that is ending aborts the process, which would make a failure of what has succeeded
os._exit(code)
