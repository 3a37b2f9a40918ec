// The selects of panel-material-ui open at a click alone: with this they open by the keys, too, on their chosen entry.

const OPENERS = ['Enter', ' ', 'ArrowDown', 'ArrowUp']

const focusEntry = (select, tries = 60) => {
  const entries = [...select.getRootNode().querySelectorAll('.MuiPopover-root li:not([aria-disabled="true"])')]
  const chosen = entries.find((entry) => entry.textContent === select.textContent) ?? entries[0]
  if (chosen && chosen.getClientRects().length) chosen.focus()
  if (tries && chosen?.getRootNode().activeElement !== chosen || !chosen && tries) requestAnimationFrame(() => focusEntry(select, tries - 1))
}

export function render({model}) {
  const onKey = (event) => {
    const select = event.composedPath()[0]
    if (!OPENERS.includes(event.key) || !select.classList?.contains('MuiSelect-select') || select.ariaDisabled === 'true') return
    event.preventDefault()
    event.stopPropagation()
    select.click()
    focusEntry(select)
  }
  window.addEventListener('keydown', onKey, true)
  model.on('remove', () => window.removeEventListener('keydown', onKey, true))
  return document.createElement('span')
}
