// Answers that are not yet durable: kept in the browser, and sent until the server says that they are stored.

const BANNER_AFTER = 2000 // ms without an acknowledgement
const RESEND_EVERY = 3000

const newId = () => {
  // A UUIDv7: ids sort by the time at which they were made.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  let time = BigInt(Date.now())
  for (let i = 5; i >= 0; i -= 1) { bytes[i] = Number(time & 0xffn); time >>= 8n }
  bytes[6] = (bytes[6] & 0x0f) | 0x70
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

// Answers on their way to the disk, one localStorage entry each, so that tabs never overwrite each other.
class Outbox {
  constructor(prefix) {
    this.prefix = `rareloop:${prefix}:`
    this.entries = new Map() // event_id → {decision, since, sent}
    for (let i = 0; i < localStorage.length; i += 1) {
      const key = localStorage.key(i)
      if (!key.startsWith(this.prefix)) continue
      try {
        const decision = JSON.parse(localStorage.getItem(key))
        this.entries.set(decision.event_id, {decision, since: Date.now(), sent: 0})
      } catch { localStorage.removeItem(key) }
    }
  }

  add(decision) {
    this.entries.set(decision.event_id, {decision, since: Date.now(), sent: Date.now()})
    try { localStorage.setItem(this.prefix + decision.event_id, JSON.stringify(decision)) } catch { /* full: memory keeps it */ }
  }

  remove(eventId) {
    this.entries.delete(eventId)
    localStorage.removeItem(this.prefix + eventId)
  }

  get size() { return this.entries.size }
  get rows() { return new Set([...this.entries.values()].map((entry) => entry.decision.row)) }
  get decisions() { return [...this.entries.values()].map((entry) => entry.decision) }

  late(now) { return [...this.entries.values()].some((entry) => now - entry.since > BANNER_AFTER) }

  due(now) {
    const due = [...this.entries.values()].filter((entry) => now - entry.sent > RESEND_EVERY)
    for (const entry of due) entry.sent = now
    return due.map((entry) => entry.decision)
  }
}

// Hands answers to the labelling surface, which keeps them until they are stored; false when the page has none.
const handOver = (decisions) =>
  !window.dispatchEvent(new CustomEvent('rareloop:decide', {cancelable: true, detail: {decisions}}))
