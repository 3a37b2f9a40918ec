// When Bokeh has given up the connection, half a minute after it was lost: waits for the server, and comes back.

const ASK_EVERY = 3000 // ms
const SMALL_FILE = 'static/js/bokeh.min.js' // the server's own, of which only the head is asked for

const isReachable = () => fetch(SMALL_FILE, {method: 'HEAD', cache: 'no-store'}).then((reply) => reply.ok, () => false)

// Calls `back` once the server answers again; the old session may be gone by then, so the page is to be loaded anew.
const whenBack = (bokehDocument, back) => {
  bokehDocument.on_event('connection_lost', (_, event) => {
    if (event.timeout != null) return // Bokeh tries again by itself
    const ask = async () => ((await isReachable()) ? back() : setTimeout(ask, ASK_EVERY))
    ask()
  })
}
