// The search field of the top bar; "/" goes there from anywhere but a text field.

export function render({model}) {
  const field = element('input', {
    type: 'search', 'aria-label': 'Search', placeholder: 'id, value or rule   ( / )', spellcheck: 'false', autocomplete: 'off',
    title: "An id opens the item; a value or a rule such as mag_r < 17 and class == '?' lists the items", maxlength: 20000,
  })
  const goTo = () => { field.focus(); field.select() }
  field.onkeydown = (event) => {
    if (event.key === 'Enter') model.send_msg(field.value.trim() ? {type: 'search', text: field.value} : {type: 'clear'})
    else if (event.key !== 'Escape') return
    event.stopPropagation()
    field.blur()  // so that the next keys are answers again
  }
  const onKey = (event) => {
    const target = event.composedPath()[0]
    if (event.key !== '/' || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || isTyping(target)) return
    event.preventDefault()  // at once: the letters that follow are no answers
    goTo()
  }
  window.addEventListener('keydown', onKey)
  model.on('remove', () => window.removeEventListener('keydown', onKey))
  model.on('msg:custom', (message) => {
    const isHere = field.getRootNode().activeElement === field
    if (message.text !== undefined && !isHere) field.value = message.text // not under the user's hands
    if (message.focus && !isHere) goTo()
  })
  return element('div', {class: 'searchfield'}, field)
}
