"""What the host promises, as data: key -> one plain sentence.

A test that proves a sentence carries ``@pytest.mark.requirement("key")``; ``test_meta_requirements.py`` fails on a
sentence without such a test and on a mark that names no sentence.
"""

from __future__ import annotations

WORKSPACE = {
    "workspace.pinned": "Every dependency is pinned to an exact version, and no file names a package registry's host.",
    "workspace.public-names": "The package offers exactly its documented public names, sorted, typed and documented.",
    "workspace.light-import": "Importing the package imports neither pydantic, diskcache, hypercorn nor agent-framework's agents.",
    "workspace.docs-run": "Every Python block in the documentation runs.",
    "docs.pictures": "The pictures of one turn and one push are readable in light and dark, described in words, and stand on a page.",
    "docs.tables": "The documentation lists every table of the store as it is declared.",
    "docs.persists": "What the documentation says persists of a conversation does.",
    "examples.run": "Each example does offline what its page says it does.",
    "docs.tutorial": "The tutorial, followed word for word, prints what it says.",
}

HOOKS = {
    "hooks.contribute_routes": "What contribute_routes returns is collected once, when the app is built; None adds nothing.",
    "hooks.authorize": "One DENY of any authorize hook refuses the turn, an exception does too, and ALLOW is no objection.",
    "hooks.run_hook": "run_hook is chained: the originating channel's own first, then policies in registration order.",
    "hooks.response_hook": "response_hook is chained per destination on its own copy: policies first, then the channel's own.",
    "hooks.push": "push is called only on the channel that owns the identity.",
    "hooks.sync-or-async": "A hook called during a turn may be sync or async, and any hook may declare fewer arguments than its specification.",
    "hooks.order": "tryfirst and trylast move a policy within the policies.",
    "hooks.unmarked": "A method named like a hook but not marked @hookimpl is refused at load, by name.",
    "hooks.wrapper": "A generator wrapper is refused at load.",
    "hooks.signature": "A hook that asks for an argument its specification does not have is refused at load.",
    "hooks.policy": "A policy sees every channel's traffic, and a channel's hooks see only its own.",
    "hooks.unhashable": "A policy that cannot be hashed works like any other.",
}

DISCOVERY = {
    "discovery.list": "Discovery lists every installed channel with its distribution and version without importing one.",
    "discovery.enable": "Enabling a channel by name imports that channel and no other.",
    "discovery.import-error": "A channel that raises on import is named with its distribution and the fix.",
    "discovery.version": "A channel that needs another host-core is set aside with a sentence before it is imported.",
    "discovery.api-level": "A channel states the level of the plugin API it was written for, and is set aside before import when the host does not offer it.",
    "discovery.not-a-channel": "An entry point that is no Channel is named with its distribution and the fix.",
    "discovery.quarantine": "A broken plugin that was not asked for by name does not take the host down.",
    "discovery.duplicate": "Two distributions that offer one channel name are a clear error.",
    "discovery.twice": "The same plugin runs twice under two names.",
    "discovery.name-clash": "Another distribution owning the import name is refused in one sentence before it is imported.",
    "discovery.outside": "A channel in a wheel built outside the repository is found and works.",
}

CONFIGURATION = {
    "config.unknown-key": "An unknown key names the file, the table, the key and the nearest right one.",
    "config.wrong-type": "A value of the wrong type names the file, the table and the key.",
    "config.missing-secret": "A secret that is not set names the file, the table, the key and the reference.",
    "config.secrets-hidden": "A secret never appears in a repr, a log line or an error.",
    "config.environment": "AGENT_HOST_<CHANNEL>_<OPTION> sets a channel's option.",
    "config.mapping": "AgentFrameworkHost(config=...) takes a parsed mapping or a path, and reads ./host.toml by default.",
    "config.schema": "agent-host channels --schema prints the JSON Schema of each channel's options.",
}

TURN = {
    "turn.dispatch": "dispatch runs one turn inside the wire's request and returns its outcome.",
    "turn.stream": "A streaming dispatch yields the target's updates and the final result.",
    "turn.admit": "admit returns once the message is taken on, and the turn runs afterwards.",
    "turn.same-gate": "run, run_stream and deliver_response pass the same gate as dispatch and raise AuthorizationError.",
    "turn.denied-no-trace": "A denied turn never reaches the target and leaves no trace in the store.",
    "turn.failure": "A target that raises ends in Failed without the exception's text.",
    "turn.duplicate": "An event id that was seen before is a Duplicate and runs nothing.",
    "turn.wire-target": "A delivery target named on the wire is refused unless the operator granted it.",
    "turn.fidelity": "A HostedRunResult carries the target's answer in full.",
    "turn.envelope": "The input message carries who spoke on which channel and where the answer is to go.",
    "turn.options": "A request's options reach the agent unchanged.",
    "turn.steps": "The steps of a turn come in order: gate, run hooks, target, response hooks.",
    "turn.timeout": "A turn that takes too long is ended, told so, and frees its conversation.",
    "turn.commands": "Commands pass the same gate as messages and act on the conversation they were sent in.",
}

SESSIONS = {
    "sessions.shared": "One isolation key has one AgentSession, whichever channel its messages come from.",
    "sessions.auto": "session_mode auto uses a session when there is a key and none otherwise.",
    "sessions.required": "session_mode required refuses a request that has no key.",
    "sessions.disabled": "session_mode disabled never uses a session.",
    "sessions.reset": "reset_session starts the conversation afresh.",
    "sessions.bounded": "The number of live sessions is bounded, and the least recently used goes first.",
    "sessions.lane": "Turns on one lane never overlap and keep their order; lanes run in parallel.",
    "sessions.busy": "A lane queues up to its bound and then answers Busy.",
    "sessions.gathering": "Messages that belong together are gathered until it is quiet: at most 12 of them, for at most 7.5 seconds.",
    "sessions.contextvars": "Isolation keys are the request's own, also inside a lane.",
    "sessions.fork": "Two continuations of one answer know nothing of each other, wherever its history is kept.",
    "sessions.unknown-parent": "A conversation to continue from that its owner does not have is refused before anything runs.",
    "sessions.global-limit": "The limit of turns running at once queues and refuses nobody.",
}

AGENTS = {
    "agents.bindings": "A provider with bind_request_context is bound for the run and released when it ends.",
    "agents.bindings-stream": "A stream's bindings are released when it ends, is awaited, closed, abandoned or its client is gone.",
    "agents.stream-transform": "A stream transform hook replaces or drops updates, sync or async.",
}

APP = {
    "app.routes": "A channel's routes are flattened below its path, and / is the path itself without a redirect.",
    "app.route-clash": "Two routes on one path and method are refused when the app is built.",
    "app.lifespan": "Every startup and shutdown callback runs, failures are logged by name and the first is raised again.",
    "app.rollback": "A failed start is rolled back in reverse order.",
    "app.restart": "A host can be started again after it was closed.",
    "app.without-server": "async with host starts and stops exactly what the lifespan does, and builds contributions once.",
    "app.isolation-headers": "The isolation headers are lifted per request on HTTP and WebSocket, and empty means absent.",
    "app.health": "/healthz says alive and /readiness says each channel's state.",
    "app.limits": "Requests that are too large or take too long are refused.",
    "app.log-keys": "Logs carry extra fields and no raw isolation key at INFO.",
    "app.servers": "The app runs under hypercorn and uvicorn.",
    "app.serve-options": "serve refuses unknown options, and more than one worker while state has a single owner.",
    "app.drain": "An interrupt drains running turns and ends quickly.",
}

RESPONSES = {
    "responses.whole": "POST /responses answers whole in the API's shape, at the root and under /v1.",
    "responses.stream": "A stream has the API's events in their exact order, with sequence numbers without gaps.",
    "responses.chain": "previous_response_id continues a conversation with its memory.",
    "responses.fork": "Continuing one response twice makes two independent conversations.",
    "responses.bound": "A response id works only for the caller who made it.",
    "responses.retrieve": "GET /responses/{id} returns a response and DELETE removes it.",
    "responses.models": "/models lists what is served.",
    "responses.input": "Text, image and file input reach the agent.",
    "responses.usage": "Usage is reported as the agent counted it.",
    "responses.errors": "Every failure has an error object in the API's shape without exception text.",
    "responses.keys": "An API key is compared in constant time and bound to a principal; a wrong one is refused.",
    "responses.anonymous": "Without keys only loopback is served, unless allow_anonymous is set.",
    "responses.wire-limits": "Options, roles and delivery targets that a wire may set are an allow list of the server's.",
    "responses.disconnect": "A client that disconnects in mid-stream frees the lane and the bindings.",
}

COMMAND_LINE = {
    "cli.serve": "agent-host serve serves an agent, a host or a host.toml.",
    "cli.demo": "agent-host demo --check runs one real exchange through the port and exits.",
    "cli.channels": "agent-host channels says what is installed, from where, enabled or not, healthy or why not.",
    "cli.exit-codes": "A usage error, a fault and success have different exit codes and one clear sentence.",
}

AUTHORS = {
    "authors.contract": "A channel that subclasses ChannelContract is checked against the contract, and a broken one fails it.",
    "authors.options": "An option declared in a channel's model is a key of its table and a keyword of its constructor, checked alike.",
    "authors.fakes": "The testing package has a real echo target, inbox channel and hand clock.",
    "authors.echo": "The echo channel passes the contract and works over HTTP with a push to its callback.",
    "authors.load": "Two hundred concurrent requests over twenty sessions lose, mix and overlap nothing.",
}

ACCESS = {
    "access.combinators": "Combinators of allowlists agree with the decision table for any tree.",
    "access.empty": "An empty allowlist is nobody.",
    "access.receivers": "Whoever is refused outright gets no answer pushed, whoever names them as its destination.",
    "access.asked": "Application code asks about somebody by the rules of their channel and by what it adds to them.",
    "access.own-identity": "A channel speaks for its own people only: an identity of another channel is refused.",
    "access.commands": "Only the host's own linking commands answer somebody who must link first, whatever a channel calls its own.",
    "access.loader": "A loader of ids is asked again now and then; a failure keeps the last good list, and without one nobody enters.",
    "access.decision": "Every case of the decision ends as the table says, with its reason code.",
    "access.mixed": "Listed ids pass and everyone else is asked to link, where the allowlist says so.",
    "access.fails-closed": "An allowlist or a linker that fails refuses.",
    "access.audit": "Every decision is one structured log line without raw ids, keys or claims at INFO.",
    "access.construction": "Settings that would deny everyone or open a door by mistake are refused at construction.",
}

PEOPLE = {
    "people.both-ways": "A person is found by identity and their addresses by person; every address is kept.",
    "people.key": "The isolation key is the linked person's, else the resolver's, else the identity's own.",
    "people.active": "The active channel is the most recent other one before this turn, within the window.",
    "people.bounded": "Strangers who write once leave memory and state bounded.",
    "people.persisted": "With a state directory, who is known where survives a restart.",
    "people.forget": "Forgetting a person removes every trace.",
    "people.shared": "What one host on a store learns of people (links, their end, forgetting) every other knows from their next message on.",
    "groups.addressing": "In a group the bot answers what the channel's addressing mode says, and every direct message.",
    "groups.scope": "Who shares a conversation in a group is what the channel's scope says; by default nobody does.",
    "linking.merge": "Linking makes two identities one person in one transaction.",
    "linking.unlink": "Unlinking gives both their own keys back.",
    "linking.silent-join": "An identity with a verified claim that is known already joins that person silently.",
}

WORKFLOWS = {
    "workflows.apart": "No two runs of a workflow share an instance; what cannot be copied is refused with the factory form.",
    "workflows.forms": "A workflow given as an instance or as a factory answers alike, whole and streamed, on every channel.",
    "workflows.input": "A message is adapted to the input a workflow declares, or refused with a 400 that names the run hook.",
    "workflows.checkpoints": "A workflow goes on from its conversation's checkpoint in the next process, and one that restores nothing is a warning.",
    "workflows.precedence": "An explicit checkpoint_location wins and warns, an agent has no checkpoints, and a workflow with a storage of its own takes no other.",
    "workflows.reset": "reset_session and deleting a response remove the checkpoints of that conversation and no others.",
    "workflows.requests": "What a workflow asks reaches the caller on every channel and is answered in a later message.",
    "workflows.restart": "What a workflow asked is answered after a restart of the process, however that ended.",
    "workflows.outputs": "A workflow's outputs are items where the wire has such items and text otherwise, whole and streamed equal.",
    "workflows.teardown": "Trouble after a workflow has come to rest is logged, harmless trouble as a warning, and the answer stands.",
    "workflows.keys": "Ordinary isolation keys name a directory unmodified, and dangerous ones are refused.",
}

CLIENTS = {
    "clients.agent-framework": "agent-framework's own OpenAI client does turns, tool round trips and approvals against the host, whole and streamed.",
}

STATE = {
    "state.private": "The state directory is readable by its owner alone, from the beginning.",
    "state.keeps": "The database evicts nothing, has no size limit that drops data, and writes through.",
    "state.owner": "A second process on one state directory is refused with the first one's pid, until that is gone.",
    "state.moved": "What the first edition kept in its second database is moved into the store, whole, whenever the process dies.",
    "state.versions": "An older record is migrated and a newer one refused with a sentence.",
    "state.upgrade": "A state directory of the first edition opens and goes on: conversations, links, deliveries, runs, stored responses.",
}

RECORDS = {
    "records.forgotten": "Forgetting a person removes every record about them from declared tables, and names the undeclared ones where they still stand.",
    "records.bounded": "A declared table keeps its records no longer and in no greater number than it says.",
    "records.taken-back": "A record that could not be read is set aside, and taken back by a version that can read it.",
    "records.declared": "A declaration that could not hold (a field the records lack, a name taken twice) is refused with a sentence.",
    "records.evolve": "A declaration that changes holds for the records that are there: their form, what they are found by, their end.",
    "records.state": "The operator sees every table: what it holds, how much, how much was set aside, and whether it names people.",
    "records.first-edition": "A record of the first edition is read, found when its person is forgotten, and written anew in the form of today.",
    "state.components": "Kinds of state that a mapping of directories leaves out stay in memory; all others share one store.",
    "doors.strange": "What no platform sends (a token, an operation, a channel that cannot be) is refused in a sentence, whichever door it takes.",
    "records.one-commit": "All that belongs to accepting a message is one commit, and all that belongs to its end is one.",
    "owners.shared": "Of several hosts on one store each leaves alone what a living one holds, and one takes up what a dead one left.",
}

DELIVERIES = {
    "deliveries.order": "Deliveries to one destination keep their order, and one that waits holds up no other destination.",
    "deliveries.backoff": "Pauses double up to their bound with full jitter, and are never shorter than a platform asked.",
    "deliveries.payload": "What cannot be stored is refused where it is scheduled.",
}

DURABILITY = {
    "targets.kinds": "Every response target sends the answer where it says, with the origin under its pseudo-name too.",
    "targets.echo": "With echo_input the user's words go ahead of the answer, told apart by their role.",
    "targets.skipped": "What cannot be reached is skipped with a reason, and when nothing is left the origin gets the answer.",
    "targets.streams": "A streaming answer bound elsewhere never shows at the origin, and a reader that goes away holds nothing up.",
    "targets.envelope": "History keeps who spoke, where the answer was to go and what was skipped, whole and streaming.",
    "outbox.receipts": "The platform's message id is kept with the delivery.",
    "outbox.faults": "429 with retry-after, 500, hanging, refusing and dropped connections each end as the channel's errors say.",
    "outbox.uncertain": "A send of unknown effect is repeated as a possible duplicate, or left unknown for reconcile to settle.",
    "outbox.dead-letters": "Attempts end, restarts included, and a dead letter keeps its payload and can be replayed.",
    "outbox.order": "Answers to one destination keep their order through faults, and no other destination waits for them.",
    "outbox.echo": "An echo is sent once, before the answer; its failure never stops the answer and a retry never repeats it.",
    "runners.shape": "Any runner gets one JSON shape and a checkpoint to await.",
    "runners.codec": "Answers come back equal from storage, and a channel's own codec carries answer and echo.",
    "runners.pairing": "A JSON runner is refused at construction where a push could never be stored.",
    "runners.call-site": "What cannot be stored is refused where it is handed in.",
    "journal.once": "An event runs once, whoever repeats it, concurrently, later or after a restart.",
    "journal.recovery": "After a crash what had not started is run in order, what was cut off ends visibly or is run again, and the gate is asked again.",
    "journal.counters": "Accepted turns minus those that ended is zero when nothing is under way.",
    "journal.live": "A live reply has exactly one final, and a preview in trouble never endangers the answer.",
    "crash.kill": "However often a host is killed and wherever, what it accepted is answered, apologised for, dead or unknown, and nothing unflagged comes twice.",
    "crash.hostile": "A state directory full of hostile files, rows and records runs no code; the host starts and names what it set aside.",
    "crash.owner": "A second host on one state directory is refused with the first one's pid, until that one is killed.",
    "crash.full-disk": "A disk that takes nothing is a clear refusal and turns readiness red; no accepted turn is lost, and it passes by itself.",
    "crash.ends": "Turns whose ends wait for a disk that takes nothing end in the order they came, and no later one overtakes them.",
    "crash.memory": "Sessions unless snapshots are declined, named threads always, and people's addresses survive a restart.",
    "crash.many": "Thousands of pending deliveries go out after a restart in order, a bounded number at a time.",
    "background.states": "A background run's token is opaque and says queued, running, completed with the answer, or failed with a safe text.",
    "background.delivery": "A background run's answer also goes to its response target.",
    "background.restart": "Background runs survive a restart: queued ones run, interrupted ones fail visibly or are run again.",
    "proactive.deliver": "Application code reaches a person by active channel, name, everywhere or a verbatim identity, or is told why not.",
    "proactive.remember": "A proactive delivery is part of the conversation when asked to be.",
    "proactive.outside": "A host that was never started delivers too, and one that was closed refuses.",
    "targets.failures": "A destination whose scheduling fails is logged and left out, and never turns into a fallback.",
}

OPERATOR = {
    "operator.deliveries": "agent-host deliveries lists, shows, replays, drops and purges the deliveries of a live host and of a stopped one.",
    "operator.trace": "agent-host trace tells what became of an accepted message: when and as whom it was admitted, its run, each attempt, the receipt.",
    "operator.identities": "agent-host identities says who is known, where and since when.",
    "operator.forget": "Forgetting a person leaves no byte of their ids in the files of the state directory.",
    "operator.links": "agent-host links lists who is linked with whom, and revoking a link separates memory.",
    "operator.socket": "A live host is reached through a socket that only its owner can open; where there can be none the host runs without.",
    "operator.contents": "Contents of messages are printed by deliveries show and by nothing else.",
}

TEAMS = {
    "teams.tokens": "Every token that is not Microsoft's, for this bot, Teams, connector and tenant is refused, and nothing is posted anywhere.",
    "teams.keys": "Unknown keys are fetched anew at a limited rate, slow ones stall nobody, and an outage is 503.",
    "teams.ack": "An activity is stored, then acknowledged while its turn still runs; the same one is answered once, across restarts.",
    "teams.conversations": "Personal chats, group chats and threads of channels remember apart, and are answered where they are.",
    "teams.streaming": "A stream keeps Teams' shape and pace, and whatever ends it, one whole answer follows.",
    "teams.outbound": "What Teams did not take is sent again, what may have arrived is not, and a closed conversation is left alone.",
    "teams.push": "A person never spoken to gets a conversation of their own.",
    "teams.cards": "A decision on a card counts once, of who was asked, and replaces the card.",
    "teams.files": "Files come from and go to trusted places only, never with the bot's token where it does not belong.",
    "teams.sign-in": "A sign-in is exchanged once for all clients, and 412 when it fails.",
    "teams.lifecycle": "Newcomers are welcomed once, and unknown activities are acknowledged.",
    "teams.forget": "Forgetting a person leaves no byte of them, their accounts or their personal chat in what the channel keeps.",
    "teams.kill": "A process killed between the 200 and the answer loses nothing and says nothing twice.",
}

TELEGRAM = {
    "telegram.transports": "Polling and webhook behave the same; a second poller is outlived, and a bad token is final and seen in readiness and doctor.",
    "telegram.webhook-secret": "A webhook call with a wrong secret or none is refused before its body is read.",
    "telegram.poison": "An update that cannot be read does not stop the bot.",
    "telegram.once": "A repeated update or command acts once, in whatever order it comes.",
    "telegram.kill": "After kill -9 at any stage every message that was taken comes to one visible end, and nothing is shown twice.",
    "telegram.uncertain": "A send of unknown effect is not repeated, an edit is.",
    "telegram.order": "A chat, and a topic in it, is a conversation of its own with a memory.",
    "telegram.merge": "Quick successive messages and the parts of an album are one turn.",
    "telegram.text": "No Markdown answer is refused by Telegram's own parser, and no visible word of it is lost.",
    "telegram.split": "A long answer is split at Telegram's limits, and no entity, emoji or code block that fits is cut.",
    "telegram.streaming": "An answer grows in one message at Telegram's pace, and a failing preview never endangers it.",
    "telegram.drafts": "Drafts are used when wanted, and given up when refused.",
    "telegram.stop": "A growing answer is stopped by a command or a button.",
    "telegram.floods": "A flood during a preview or a final answer loses nothing, repeats nothing and delays no other chat.",
    "telegram.unreachable": "A chat that refuses the bot is left alone until somebody writes there again.",
    "telegram.moved": "A group that becomes a supergroup takes its conversation along, and a closed topic is answered outside of it.",
    "telegram.groups": "In a group only what is meant for the bot is answered; what others said is context when wanted, and a refusal goes to the person alone.",
    "telegram.senders": "Anonymous admins and channels are known by the id of their chat.",
    "telegram.privacy": "Privacy mode is explained when it keeps messages from the bot that the settings want.",
    "telegram.catalogue": "The commands are published per scope and language, and not again while they are the same.",
    "telegram.commands": "The built-in commands work, a linker adds its own, and the developer's pass the same gate and may run the agent.",
    "telegram.media-in": "Photos, albums, voice and documents reach the agent as bytes; one too large or out of reach is told to both sides.",
    "telegram.media-out": "Pictures, files and sound of an answer go out in their kind, and albums together.",
    "telegram.token": "The bot token reaches no log, client, store or agent.",
    "telegram.approvals": "An approval is asked with buttons, answered once and only by whom it was asked, expires, and outlives a restart.",
    "telegram.manners": "Typing shows while the agent works, a reaction acknowledges when wanted, and an error is told without its inner text.",
    "telegram.push": "A push reaches users, chats and topics, silently when wanted, with the message ids as its receipt.",
    "telegram.config": "Options that cannot work are refused by name, and secrets come from the file's references.",
    "telegram.forget": "Forgetting a person leaves no record of the channel that names them, and nothing in its memory.",
    "telegram.shared": "Of several hosts on one store one polls, the next takes over when it is gone, and each leaves alone what another is at work on.",
    "telegram.shutdown": "A stop does not wait for the poll that Telegram holds.",
    "telegram.fake": "The fake Bot API refuses what Telegram's own parser refuses, and runs alone.",
    "telegram.crowd": "Hundreds of chats at once are all answered and leave no open turn behind.",
}

REQUIREMENTS: dict[str, str] = {
    key: text
    for chapter in (
        *(WORKSPACE, HOOKS, DISCOVERY, CONFIGURATION, TURN, SESSIONS, AGENTS, APP, RESPONSES, COMMAND_LINE, AUTHORS),
        *(ACCESS, PEOPLE, WORKFLOWS, CLIENTS, STATE, RECORDS, DELIVERIES, DURABILITY, OPERATOR, TEAMS, TELEGRAM),
    )
    for key, text in chapter.items()
}
