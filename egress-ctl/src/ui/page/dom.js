// Elements and their texts. A text becomes a text node here, wherever it came from; nothing is read as markup.

const $ = (id) => document.getElementById(id);

// Control characters, and those that turn the direction of what follows, are shown and do nothing.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const shown = (text) =>
  String(text).replace(HIDDEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

const node = (child) =>
  child instanceof Node ? child : document.createTextNode(shown(child));

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined).map(node));
  return element;
}

const make = (name, attributes = {}, ...children) =>
  filled(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) =>
  filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

// A name from elsewhere, which does not turn the text around it.
const named = (text) => make('bdi', {}, text);

// Lines of a text that has more than one, as it was written.
const lines = (text) => {
  const pre = make('pre');
  pre.append(...String(text).trimEnd().split('\n').flatMap((line) => [node(line), document.createTextNode('\n')]));
  return pre;
};

const put = (place, ...children) => place.replaceChildren(...children.flat(Infinity).filter(Boolean).map(node));

// What did not change is left alone: whoever reads or has put the focus there is not disturbed.
function putOnce(place, key, children) {
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  put(place, children());
}
