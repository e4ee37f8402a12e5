"""other_weights.py FOLDER: a model, and weights as PyTorch, NumPy and others write them."""
import json
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])


def model(name, width):
    (folder / f"{name}.grad").write_text(f"""model {name}(x: float[batch, 2], y: float[batch, {width}]) {{
  let p = dense(x, {width})
  loss mse(p, y)
}}
data {{ from csv("t.csv"); x = columns[0:2]; y = columns[2:{2 + width}] }}
train {{ epochs = 1; batch = 2 }}
""")


def safetensors(name, tensors):
    header, data = {}, b""
    for tensor, shape in tensors.items():
        count = 1
        for size in shape:
            count *= size
        header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += struct.pack(f"<{count}f", *range(count))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


model("m", 3)
model("square", 2)
(folder / "t.csv").write_text("a,b,c,d,e\n1,2,3,4,5\n2,3,4,5,6\n")
safetensors("torch.safetensors", {"fc.weight": [3, 2], "fc.bias": [3]})
safetensors("turned.safetensors", {"p.w": [3, 2], "p.b": [3]})
safetensors("square.safetensors", {"fc.weight": [2, 2], "fc.bias": [2]})
safetensors("own.safetensors", {"p.w": [2, 2], "p.b": [2]})
(folder / "zip.pt").write_bytes(b"PK\x03\x04\x00\x00\x08\x08" + b"\x00" * 22 + b"archive/data.pkl" + b"\x00" * 64)
(folder / "pickle.pt").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x00" * 64)
(folder / "a.npz").write_bytes(b"PK\x03\x04\x14\x00\x00\x00" + b"\x00" * 22 + b"p.w.npy" + b"\x00" * 64)
(folder / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00" * 64)
