// A button that opens a small window over the page, which no container cuts off.

const popup = (label, title, fill) => {
  const panel = element('div', {popover: 'auto', role: 'dialog', 'aria-label': title})
  const button = element('button', {type: 'button', title, 'aria-haspopup': 'dialog', 'aria-expanded': 'false', text: `${label} ▾`})
  button.onclick = () => {
    fill(panel)
    panel.showPopover()
    const place = button.getBoundingClientRect()
    const box = panel.getBoundingClientRect()
    panel.style.left = `${Math.max(4, Math.min(place.left, innerWidth - box.width - 4))}px`
    const below = place.bottom + 4
    panel.style.top = `${below + box.height < innerHeight ? below : Math.max(4, place.top - box.height - 4)}px`
    panel.querySelector('input, button')?.focus()
  }
  panel.addEventListener('toggle', (event) => {
    button.setAttribute('aria-expanded', String(event.newState === 'open'))
  })
  return {button, panel, close: () => { if (panel.matches(':popover-open')) panel.hidePopover() }}
}
