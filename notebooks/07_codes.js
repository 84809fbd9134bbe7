// A picture of the codes of a turn: a row for each codebook, a column for each frame of 80 ms.
// Dark: the Talker was sure of the code. Point at a cell to read it, click to choose its frame.
function render({ model, el }) {
  const [frames, books] = model.get("shape");
  const bytes = model.get("codes");
  const codes = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 2 * frames * books));
  const sure = model.get("sure"); // 0..1, as many as there are codes
  const canvas = document.createElement("canvas");
  const told = document.createElement("div");
  Object.assign(canvas, { width: Math.max(300, Math.min(900, frames * 24)), height: books * 22 });
  canvas.style.maxWidth = "100%";
  told.style.font = "13px system-ui, sans-serif";
  const wide = canvas.width / frames;
  const at = (event) => Math.floor((event.offsetX / canvas.clientWidth) * frames);
  const draw = () => {
    const ctx = canvas.getContext("2d");
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    for (let f = 0; f < frames; f++)
      for (let b = 0; b < books; b++) {
        ctx.fillStyle = `hsl(205 60% ${95 - 70 * sure[f * books + b]}%)`;
        ctx.fillRect(f * wide, b * 22, wide - 1, 21);
      }
    ctx.strokeStyle = "#d9480f";
    ctx.lineWidth = 3;
    ctx.strokeRect(model.get("frame") * wide, 1, wide - 1, canvas.height - 2);
  };
  canvas.onpointermove = (event) => {
    const f = at(event);
    told.textContent = `frame ${f}: ${[...codes.slice(f * books, (f + 1) * books)].join(" ")}`;
  };
  canvas.onclick = (event) => {
    model.set("frame", at(event));
    model.save_changes();
  };
  model.on("change:frame", draw);
  told.textContent = "Point at a frame to read its codes.";
  el.append(canvas, told);
  draw();
}
export default { render };
