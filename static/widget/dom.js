// The few lines that make building elements short. Markup is never parsed.

/** An element: `props` are properties, or attributes where their name has a dash or is `role`, `part` or `for`. */
export function element(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (/-|^role$|^part$|^for$/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export const button = (label, props = {}) => element('button', {type: 'button', textContent: label, ...props});

/** Nothing is drawn or announced twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
