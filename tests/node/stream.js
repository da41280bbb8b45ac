// What a page of an allowed origin does to follow the events: nothing but what a browser has. Once the
// stream is open it gives an agent a task. It is told in its address what to ask whom, and posts what it
// saw to where it came from.

const { at, swarm, agent, task } = Object.fromEntries(new URLSearchParams(location.search))
let posted = Promise.resolve()
// One after the other, so that they arrive as they were seen.
const saw = (...what) => {
  posted = posted.then(() => fetch("/seen", { method: "POST", body: JSON.stringify(what) }))
}

const give = () => fetch(`http://${at}/api/swarms/${swarm}/agents/${agent}/task`, {
  method: "POST",
  // For this a browser asks for leave first.
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ task }),
})

const events = new EventSource(`http://${at}/api/events?follow=1`)
events.addEventListener("open", () => saw("open"))
events.addEventListener("open", async () => saw("task", (await give()).status), { once: true })
events.addEventListener("error", () => saw("error"))
events.addEventListener("gap", ({ data }) => saw("gap", JSON.parse(data)))
events.addEventListener("event", ({ lastEventId, data }) => saw("event", lastEventId, JSON.parse(data)))
