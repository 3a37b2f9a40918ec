// The bar above the maps: what dragging does, what a selection does, which layers are drawn, how many maps.

const TOOLS = [
  ['move', 'Move', 'Drag the map about; the wheel zooms'],
  ['lasso', 'Lasso', 'Draw around items to select them'],
  ['box', 'Box', 'Drag a box over items to select them'],
  ['polygon', 'Polygon', 'Tap the corners; a double tap, Enter or ✓ selects what is inside, Esc drops it'],
]
const MODES = [
  ['replace', 'New', 'A gesture makes a new selection'],
  ['add', 'Add', 'A gesture adds to the selection (or hold Shift)'],
  ['subtract', 'Subtract', 'A gesture takes away from the selection (or hold Alt)'],
]

export function render({model}) {
  const send = (message) => model.send_msg(message)
  const act = (name, title, type, label) =>
    element('button', {type: 'button', title, 'aria-label': label, text: name, onclick: () => send({type})})
  const group = (label, entries, type) => element('div', {class: 'group', role: 'group', 'aria-label': label},
    ...entries.map(([value, text, title]) =>
      element('button', {type: 'button', title, 'data-value': value, text, onclick: () => send({type, value})})))
  const tools = group('What dragging does', TOOLS, 'tool')
  const modes = group('What a selection does', MODES, 'mode')
  const close = act('✓', 'Select what is inside the polygon', 'close-polygon', 'Close the polygon')
  const invert = act('Invert', 'Select all other items', 'invert', 'Invert selection')
  const clear = act('Clear', 'Select nothing', 'clear', 'Clear selection')
  const reset = act('Reset', 'Zoom all maps out', 'reset', 'Reset zoom')
  const add = act('+ Map', 'Show another map beside', 'add', 'Add a map')
  const sheet = element('div', {class: 'sheet', popover: 'manual'})
  const isOpen = () => sheet.matches(':popover-open')
  const layers = element('button', {type: 'button', text: 'Layers', title: 'What is drawn over the points', 'aria-expanded': 'false',
    onclick: () => open(!isOpen())})
  // In the top layer of the browser, so that nothing of the maps lies over it.
  const open = (yes) => {
    if (yes === isOpen()) return
    const {bottom, right} = layers.getBoundingClientRect()
    Object.assign(sheet.style, {top: `${bottom + 4}px`, right: `${document.documentElement.clientWidth - right}px`})
    yes ? sheet.showPopover() : sheet.hidePopover()
    layers.setAttribute('aria-expanded', String(yes))
  }
  const menu = element('div', {class: 'menu'}, layers, sheet)
  const bar = element('div', {class: 'bar', role: 'toolbar', 'aria-label': 'Maps'}, tools, close, modes,
    element('div', {class: 'group'}, invert, clear), reset, menu, add)
  const host = element('div', {class: 'host'}, bar)
  let state = {tool: 'lasso', mode: 'replace', layers: [], maps: 1, most: 1, corners: 0, selected: 0, dark: false}

  const press = (buttons, value) => {
    for (const button of buttons.children) button.setAttribute('aria-pressed', String(button.dataset.value === value))
  }
  const paint = () => {
    host.classList.toggle('dark', state.dark)
    press(tools, state.tool)
    press(modes, state.mode)
    close.hidden = state.tool !== 'polygon'
    close.disabled = state.corners < 3
    clear.disabled = !state.selected
    add.disabled = state.maps >= state.most
    sheet.replaceChildren(...state.layers.map(({name, text, on}) => {
      const box = element('input', {type: 'checkbox', onchange: () => send({type: 'layer', name, on: box.checked})})
      box.checked = on
      return element('label', {}, box, text)
    }))
  }
  const onKey = (event) => {
    const target = event.composedPath()[0]
    if (event.key === 'Escape' && isOpen()) { open(false); layers.focus() }
    else if (state.corners && !isTyping(target) && (event.key === 'Escape' || (event.key === 'Enter' && !activates(target)))) {
      send({type: event.key === 'Enter' ? 'close-polygon' : 'drop-polygon'})
    } else return
    // These keys belong to the card otherwise.
    event.preventDefault()
    event.stopImmediatePropagation()
  }
  const onPointer = (event) => { if (!event.composedPath().includes(menu)) open(false) }
  window.addEventListener('keydown', onKey, true)
  window.addEventListener('pointerdown', onPointer, true)
  model.on('remove', () => {
    window.removeEventListener('keydown', onKey, true)
    window.removeEventListener('pointerdown', onPointer, true)
  })
  model.on('msg:custom', (message) => {
    lift(host)
    const same = JSON.stringify(message.layers) === JSON.stringify(state.layers)
    const focused = sheet.contains(sheet.getRootNode().activeElement) && same
    if (focused) { // the checkbox under the user's hands stays
      state = {...message, layers: state.layers}
    } else state = message
    paint()
  })
  paint()
  send({type: 'hello'})
  return host
}
