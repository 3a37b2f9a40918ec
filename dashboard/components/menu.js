// A menu that a button opens: in the browser's top layer, so that no place cuts it off; worked by keys.
//
// `entries()` gives {heading}, or {label, run, checked, title, disabled}.

const closeMenu = (menu) => { if (menu.matches(':popover-open')) menu.hidePopover() }

function placeMenu(menu, button) {
  const at = button.getBoundingClientRect()
  const left = Math.min(at.left, window.innerWidth - menu.offsetWidth - 8)
  const below = window.innerHeight - at.bottom - 12
  menu.style.left = `${Math.max(left, 8)}px`
  menu.style.top = menu.offsetHeight <= below ? `${at.bottom + 4}px`
    : `${Math.max(8, Math.min(at.bottom + 4, window.innerHeight - menu.offsetHeight - 8))}px`
}

function menuEntry(entry, menu, button) {
  if (entry.heading) return element('div', {class: 'menu-heading', role: 'presentation', text: entry.heading})
  const isChoice = entry.checked !== undefined
  return element('button', {type: 'button', role: isChoice ? 'menuitemradio' : 'menuitem', tabindex: '-1', title: entry.title,
    'aria-checked': isChoice ? String(entry.checked) : null, disabled: Boolean(entry.disabled),
    onclick: () => { closeMenu(menu); button.focus(); entry.run() }},
    isChoice ? element('span', {class: 'menu-tick', 'aria-hidden': 'true', text: entry.checked ? '✓' : ''}) : null, entry.label)
}

function menuButton(label, attributes, entries) {
  const menu = element('div', {class: 'menu', role: 'menu', popover: 'auto', 'aria-label': attributes['aria-label'] || label})
  const button = element('button', {type: 'button', 'aria-haspopup': 'menu', 'aria-expanded': 'false', ...attributes, text: label})
  const items = () => [...menu.querySelectorAll('button:not(:disabled)')]
  const show = () => {
    menu.replaceChildren(...entries().map((entry) => menuEntry(entry, menu, button)))
    menu.showPopover()
    placeMenu(menu, button)
    items()[0]?.focus()
  }
  let wasOpen = false // the press that closes it must not open it again
  button.addEventListener('pointerdown', () => { wasOpen = menu.matches(':popover-open') })
  button.addEventListener('click', () => { if (wasOpen) { wasOpen = false; closeMenu(menu) } else show() })
  menu.addEventListener('toggle', (event) => button.setAttribute('aria-expanded', String(event.newState === 'open')))
  menu.addEventListener('keydown', (event) => {
    const all = items()
    const at = all.indexOf(event.composedPath()[0])
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1}[event.key]
    event.stopPropagation()
    if (event.key === 'Escape') { closeMenu(menu); button.focus() }
    if (to === undefined) return
    event.preventDefault()
    all.at(to % all.length).focus()
  })
  return element('span', {class: 'menu-place'}, button, menu)
}
