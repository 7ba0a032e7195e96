// Compiles the sources and runs pytest on CPython 3.10, which there is for WebAssembly only:
// node oldest_python.js FOLDER REPOSITORY PYTEST-ARGUMENTS. The exit code is pytest's.
"use strict";

const path = require("path");
const [folder, repository, ...words] = process.argv.slice(2);
const { loadPyodide } = require(path.join(folder, "node_modules/pyodide/pyodide.js"));

// There is one process, with one thread: nothing else can hold a lock, and a test of more is skipped.
const FCNTL = "LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN = 1, 2, 4, 8\ndef flock(file, operation): pass\n";
const PROGRAM = `
import json, os, sys
assert sys.version_info[:2] == (3, 10), sys.version
sys.path[:0] = ["/packages", "/stand-ins"]
sys.dont_write_bytecode = True
os.environ["HYPOTHESIS_PROFILE"] = "few"
os.chdir("/repository/packages/innerloop")
import pathlib, pytest, subprocess, threading
sources = [*pathlib.Path("src").rglob("*.py"), *pathlib.Path("tests").rglob("*.py"), pathlib.Path("../../scripts/loop")]
for source in sources:
    if "broken" not in source.parts:
        compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
print(f"{len(sources)} sources are Python {sys.version.split()[0]}")

def skip(*args, **kwargs):
    pytest.skip("this Python has neither processes nor threads")

subprocess.Popen.__init__ = threading.Thread.start = os.fork = skip
int(pytest.main(json.loads(words)))
`;

async function main() {
  const python = await loadPyodide();
  const mounts = { "/repository": repository, "/packages": path.join(folder, "packages") };
  for (const [target, root] of Object.entries(mounts)) {
    python.FS.mkdir(target);
    python.FS.mount(python.FS.filesystems.NODEFS, { root }, target);
  }
  python.FS.mkdir("/stand-ins");
  python.FS.writeFile("/stand-ins/fcntl.py", FCNTL);
  python.globals.set("words", JSON.stringify(words));
  return python.runPython(PROGRAM);
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
