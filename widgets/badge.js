// What a control says of itself (data: badge.py), and a name for the slider beside it: sliders of
// ipywidgets have handles that assistive technology finds but cannot name, since their label belongs
// to no element. The badge stands in the same box and names them.

// The parts of a box that are operated but have no name.
export const nameless = (box) => [
  ...box.querySelectorAll("[role=slider]:not([aria-label]), .widget-readout:not([aria-label])"),
];

export function render({ model, el }) {
  const badge = document.createElement("span");
  badge.setAttribute("role", "status");
  badge.style.cssText =
    "display:inline-block;border:1px solid currentColor;border-radius:9px;line-height:1.4;padding:1px 9px;font-size:13px;" +
    "color:var(--jp-ui-font-color1, currentColor)";
  el.append(badge);
  const tell = () => {
    badge.textContent = model.get("value");
    badge.style.fontWeight = model.get("stale") ? "600" : "400";
  };
  model.on("change", tell);
  tell();
  let box = null;
  const name = () => {
    for (const part of nameless(box)) {
      part.setAttribute("aria-label", model.get("label"));
      if (part.isContentEditable) part.setAttribute("role", "textbox");
    }
  };
  const parts = new MutationObserver(name); // the slider may come later, and is made anew at times
  const placed = new ResizeObserver(() => {
    if (box || !el.isConnected) return;
    box = el.closest(".widget-box") ?? el.parentElement;
    name();
    parts.observe(box, { childList: true, subtree: true });
    placed.disconnect();
  });
  placed.observe(el);
  return () => {
    model.off("change", tell);
    parts.disconnect();
    placed.disconnect();
  };
}

export default { render };
