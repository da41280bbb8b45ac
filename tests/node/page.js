// What a page of an allowed origin does: the example as it stands, or the same with a token. It is told in its
// address what to ask whom, and posts what it saw to where it came from.

import { example } from "./example.js"

const { at, swarm, agent, task, token } = Object.fromEntries(new URLSearchParams(location.search))
let posted = Promise.resolve()
// One after the other, so that they arrive as they were seen.
const saw = (...what) => {
  posted = posted.then(() => fetch("/seen", { method: "POST", body: JSON.stringify(what) }))
}

saw("page", location.origin)
if (token) {
  const socket = new Phoenix.Socket(`ws://${at}/swarm`, { params: { token } })
  socket.onOpen(() => saw("open"))
  socket.onError(() => saw("failed"))
  socket.connect()
  socket.channel(`swarm:${swarm}`, {}).join().receive("ok", answer => saw("joined", answer))
} else {
  example(Phoenix.Socket, `ws://${at}/swarm`, { swarm, agent, task }, saw)
}
