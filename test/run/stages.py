#!/usr/bin/env python3
"""stages.py: every stage of every example can be shown, for each function that has it, and reads as what it is."""
from runs import examples, gradus, require

OPENINGS = {"ast": "model ", "graph": "graph @", "joint": "graph @", "opt": "graph @", "ordered": "graph @", "fused": "cluster", "kernels": "kernel",
            "program": "launch", "plan": "peak ", "llvm": "define ", "asm": ".text", "dot": "digraph"}
help_text = gradus("show", "--help")
stages = help_text[help_text.index("one of:") + 7:].split("--function")[0].replace("\n", " ").split(",")
require([stage.strip() for stage in stages] == list(OPENINGS), f"other stages: {stages}")
for model in sorted(examples.glob("*.grad")):
    for stage, opening in OPENINGS.items():
        text = gradus("show", model, f"--emit={stage}")
        require(opening in text, f"{model.stem}, {stage}: no `{opening}` in\n{text[:2000]}")
    for function in ("init", "evaluate", "predict"):
        require("peak " in gradus("show", model, "--emit=plan", "--function", function), f"{model.stem}: no plan of {function}")
    print(f"{model.stem}: all stages")
