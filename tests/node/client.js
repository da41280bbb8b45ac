// One client of the channel in a process of its own, led by tests/node.rs: it reads commands from its
// standard input, one JSON array a line, and prints what it saw, one JSON array a line.
//
// PHOENIX is the version (1.7 or 1.8), CHANNEL_URL the socket's URL. It ends with its standard input.

import { createInterface } from "node:readline"
import WebSocket from "ws"
import { example } from "./example.js"

// As a page or a worker has it: both versions look for it there, and 1.7 below `self` only.
globalThis.self = globalThis
globalThis.WebSocket = WebSocket
const { Socket } = await import(`phoenix-${process.env.PHOENIX}`)
const url = process.env.CHANNEL_URL

const PUSHES = [
  "agent_output", "agent_status", "message_routed", "message_broadcast", "swarm_started", "swarm_stopped",
  "agent_added", "agent_removed", "topology_changed", "log_entry", "event", "gap",
]

// What clients before the second version of the frames sent and read.
const FIRST = {
  vsn: "1.0.0",
  encode: ({ join_ref, ref, topic, event, payload }, send) =>
    send(JSON.stringify({ topic, event, payload, ref, join_ref })),
  decode: (text, take) => take(JSON.parse(text)),
}

const saw = (...what) => process.stdout.write(`${JSON.stringify(what)}\n`)
const channels = new Map()
let socket

const commands = {
  example: what => {
    socket = example(Socket, url, what, saw)
  },

  // {params?, headers?, first?}: `headers` goes the way that only a program can, not a page.
  connect: ({ params, headers, first }) => {
    class WithHeaders extends WebSocket {
      constructor(address, protocols) {
        super(address, protocols ?? [], { headers })
      }
    }
    socket = new Socket(url, { params, ...(headers && { transport: WithHeaders }), ...(first && FIRST) })
    socket.onOpen(() => saw("open"))
    socket.onClose(event => saw("closed", event.code))
    socket.onError(error => saw("failed", error.message ?? null))
    socket.onMessage(({ topic, event, payload }) => {
      if (topic === "phoenix") { saw("heartbeat", payload, socket.pendingHeartbeatRef) }
      if (event === "phx_close") { saw(event, topic) }
    })
    socket.connect()
  },

  // A channel by a name of ours, as one topic may be joined twice.
  join: (name, topic) => {
    const channel = socket.channel(topic, {})
    channels.set(name, channel)
    for (const event of PUSHES) { channel.on(event, payload => saw("pushed", name, event, payload)) }
    channel.onError(() => saw("channel failed", name))
    channel.onClose(() => saw("channel closed", name))
    channel.join()
      .receive("ok", answer => saw("joined", name, answer))
      .receive("error", answer => saw("not joined", name, answer))
  },

  push: (name, event, payload, tag) => {
    const push = channels.get(name).push(event, payload)
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, answer => saw(status, tag, answer))
    }
  },

  // Bytes, as the second version's frames may carry them.
  bytes: (name, event, text, tag) => {
    const { buffer } = new Uint8Array(Buffer.from(text))
    commands.push(name, event, buffer, tag)
  },

  leave: name => {
    channels.get(name).leave().receive("ok", () => saw("left", name))
  },

  // What the client does each 30 seconds, and what it does when no answer came for as long.
  heartbeat: () => socket.sendHeartbeat(),
  overdue: () => {
    socket.heartbeatTimeout()
    saw("state", socket.connectionState())
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...rest] = JSON.parse(line)
  commands[command](...rest)
}
saw("ending")
socket.disconnect(() => process.exit(0))
