"""Checks that every #include "..." of compiler/ and runtime/ follows the arrows between the folders.

usage: include_directions.py SOURCE_FOLDER
A folder may include itself and the folders listed for it; rooms within a folder count as the folder,
but for those listed in ROOMS, whose arrows are checked too. LLVM headers are for codegen alone, Boost
for the driver's options.
"""
import pathlib
import re
import sys

FRONT = {"support", "tensor", "scalar", "graph"}
MAY_INCLUDE = {
    "support": set(),
    "tensor": {"support"},
    "scalar": {"support", "tensor"},
    "graph": FRONT,
    "eval": FRONT,
    "cluster": FRONT,
    "autodiff": FRONT,
    "lang": FRONT | {"eval", "opt"},
    "opt": FRONT | {"eval"},
    "fuse": FRONT | {"cluster"},
    "kernel": FRONT | {"cluster"},
    "plan": FRONT | {"cluster", "kernel"},
    "codegen": FRONT | {"cluster", "kernel", "plan"},
    "pipeline": FRONT | {"eval", "cluster", "autodiff", "lang", "opt", "fuse", "kernel", "plan", "codegen"},
}
MAY_INCLUDE["driver"] = MAY_INCLUDE["pipeline"] | {"pipeline", "runtime", "gradus"}
MAY_INCLUDE["codegen"] |= {"gradus"}
MAY_INCLUDE["pipeline"] |= {"gradus"}
MAY_INCLUDE["runtime"] = {"gradus"}
# Within kernel: text and schedules know nothing of construction.
ROOMS = {
    "kernel/text": {"kernel", "kernel/text"},
    "kernel/schedule": {"kernel", "kernel/schedule"},
    "kernel/build": {"kernel", "kernel/schedule", "kernel/build"},
}


def room_of(path: str) -> str:
    parts = path.split("/")
    room = "/".join(parts[:2])
    return room if room in ROOMS else parts[0]


def main() -> int:
    source = pathlib.Path(sys.argv[1])
    wrong = []
    files = [p for top in ("compiler", "runtime") for p in (source / top).rglob("*") if p.suffix in (".h", ".cpp")]
    for path in sorted(files):
        relative = path.relative_to(source / "compiler").as_posix() if "compiler" in path.parts else path.relative_to(source).as_posix()
        folder = relative.split("/")[0]
        if folder == relative:
            wrong.append(f"{relative}: stands in no folder")
            continue
        for line, text in enumerate(path.read_text().splitlines(), 1):
            place = f"{relative}:{line}: {text}"
            if re.match(r"#include [<\"]llvm", text) and folder != "codegen":
                wrong.append(place)
            if re.match(r"#include <boost", text) and relative != "driver/options.cpp":
                wrong.append(place)
            included = re.match(r'#include ["<]([a-z_]+/[^">]+)[">]', text)
            if not included:
                continue
            other = included.group(1).split("/")[0]
            if other in MAY_INCLUDE or other == "gradus":
                if other != folder and other not in MAY_INCLUDE[folder]:
                    wrong.append(place)
                room, other_room = room_of(relative), room_of(included.group(1))
                if room in ROOMS and other_room.split("/")[0] == folder and other_room not in ROOMS[room]:
                    wrong.append(place)
    print(f"{len(files)} files, {len(wrong)} includes against the arrows")
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
