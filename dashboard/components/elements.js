// What all components use: elements, numbers, and which keys belong to whom.

const element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') node.className = value
    else if (name === 'text') node.textContent = value
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else if (value === true) node.setAttribute(name, '')
    else if (value !== false && value != null) node.setAttribute(name, value)
  }
  node.append(...children.filter((child) => child != null))
  return node
}

const significant = (value, digits = 3) => String(Number(Number(value).toPrecision(digits)))

const TYPING_ROLES = new Set(['combobox', 'listbox', 'option', 'menu', 'menuitem', 'textbox', 'searchbox', 'spinbutton', 'slider'])
const isTyping = (node) => node instanceof Element && (node.isContentEditable ||
  ['TEXTAREA', 'SELECT'].includes(node.tagName) ||
  (node.tagName === 'INPUT' && !['checkbox', 'radio', 'button'].includes(node.type)) ||
  TYPING_ROLES.has(node.getAttribute('role')))
const activates = (node) => node instanceof Element &&
  (['BUTTON', 'A', 'SUMMARY', 'INPUT'].includes(node.tagName) || ['button', 'tab', 'link', 'checkbox'].includes(node.getAttribute('role')))
// Where the arrow keys have a meaning of their own: tabs, lists, maps that take the focus, and what scrolls.
const ARROW_ROLES = new Set(['tab', 'radio', 'row', 'gridcell', 'grid', 'tree', 'treeitem'])
const movesByArrows = (node) => node instanceof Element &&
  (ARROW_ROLES.has(node.getAttribute('role')) || node.scrollWidth > node.clientWidth + 1 || node.tagName === 'INPUT')
