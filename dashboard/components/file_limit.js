// Tells of files that a button for uploads is given and does not take, since they are too large.

export function render({model}) {
  const look = (event) => {
    if (!event.composedPath().some((node) => node.classList?.contains(model.button))) return
    const files = event.dataTransfer?.files || event.composedPath()[0].files || []
    const large = [...files].find((file) => file.size > model.most)
    if (large) model.send_msg({name: large.name})
  }
  // Of choosing a file, only `input` leaves the shadow root of the button.
  for (const type of ['input', 'drop']) window.addEventListener(type, look, true)
  model.on('remove', () => { for (const type of ['input', 'drop']) window.removeEventListener(type, look, true) })
  return document.createElement('span')
}
