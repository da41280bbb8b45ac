// What a page of a foreign origin tries, with the right token and without: the channel by the client and
// by a bare WebSocket, the routes by every kind of request that a page can make.
// It posts what it got to where it came from.

const { at, token } = Object.fromEntries(new URLSearchParams(location.search))
const seen = [["page", location.origin]]
const saw = (...what) => seen.push(what)

const channel = params => new Promise(done => {
  const socket = new Phoenix.Socket(`ws://${at}/swarm`, { params })
  const end = what => {
    saw("channel", what)
    socket.disconnect(done)
  }
  socket.onOpen(() => end("open"))
  socket.onError(() => end("refused"))
  socket.connect()
})

const bare = query => new Promise(done => {
  const socket = new WebSocket(`ws://${at}/swarm/websocket?vsn=2.0.0${query}`)
  socket.onopen = () => done(saw("socket", "open"))
  socket.onerror = () => done(saw("socket", "refused"))
})

const ask = async (path, options) => {
  try {
    const answer = await fetch(`http://${at}${path}`, options)
    saw("fetch", path, answer.type, await answer.text())
  } catch {
    saw("fetch", path, "failed", "")
  }
}

const stream = () => new Promise(done => {
  const events = new EventSource(`http://${at}/api/events?follow=1`)
  events.onopen = () => done(saw("stream", "open"))
  events.onerror = () => {
    events.close()
    done(saw("stream", "refused"))
  }
})

await channel({})
await channel({ token })
await bare("")
await bare(`&token=${encodeURIComponent(token)}`)
const headers = { Authorization: `Bearer ${token}` }
for (const path of ["/api/swarms", "/api/events", "/api/events?follow=1", "/"]) {
  await ask(path)
  await ask(path, { headers })
  await ask(path, { mode: "no-cors" })
}
// A task as a form would send it, which needs no leave of the browser's.
await ask("/api/swarms/my-swarm/agents/researcher/task", {
  method: "POST", mode: "no-cors", body: JSON.stringify({ task: "not mine to give" }),
})
await stream()
await fetch("/seen", { method: "POST", body: JSON.stringify(seen) })
