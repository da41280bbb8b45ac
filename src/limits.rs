//! Every limit of the program, in one place (design section 6).
//!
//! Each constant is a row of [`TABLE`], which `loopgate exposure --limits` prints; each names the
//! test that keeps it, and `every_limit_names_a_test_that_exists` checks that it does.

/// One row of the table of limits.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// Its value, in `unit`.
    pub value: u64,
    /// The unit: bytes, ms, count, per second.
    pub unit: &'static str,
    /// What it bounds.
    pub meaning: &'static str,
    /// The test that keeps it.
    pub test: &'static str,
}

macro_rules! limits {
    ($( #[doc = $meaning:literal] $name:ident: $ty:ty = $value:expr, $unit:literal, $test:literal; )*) => {
        $( #[doc = $meaning] pub const $name: $ty = $value; )*
        /// All limits, in the order of the way of a request.
        pub const TABLE: &[Limit] = &[ $( Limit {
            name: stringify!($name),
            value: $value as u64,
            unit: $unit,
            meaning: $meaning,
            test: $test,
        }, )* ];
    };
}

limits! {
    #[doc = "longest request line"]
    REQUEST_LINE: usize = 4 * 1024, "bytes", "request_line_over_its_limit_is_414";
    #[doc = "longest request head"]
    HEAD: usize = 16 * 1024, "bytes", "head_over_its_limit_is_431";
    #[doc = "most header fields in one head"]
    HEADERS: usize = 64, "count", "more_headers_than_the_limit_is_431";
    #[doc = "time from a request's first byte, or from accept, to the end of its head"]
    HEAD_DEADLINE_MS: u64 = 5_000, "ms", "a_slow_head_is_answered_408_at_the_deadline";
    #[doc = "time for a whole body"]
    BODY_DEADLINE_MS: u64 = 10_000, "ms", "a_slow_body_is_answered_408_at_the_deadline";
    #[doc = "time for a whole answer to be taken by the peer"]
    WRITE_DEADLINE_MS: u64 = 10_000, "ms", "a_client_that_never_reads_is_closed_at_the_deadline";
    #[doc = "silence between two requests of a connection"]
    IDLE_DEADLINE_MS: u64 = 30_000, "ms", "an_idle_connection_is_closed_at_the_deadline";
    #[doc = "time that a closing connection still drains what the peer sends"]
    LINGER_MS: u64 = 1_000, "ms", "the_error_answer_survives_unread_input";
    #[doc = "bytes that a closing connection still drains"]
    LINGER_BYTES: usize = 256 * 1024, "bytes", "lingering_is_bounded_in_bytes";
    #[doc = "body of a bus, inject or control request"]
    BODY_SMALL: usize = 64 * 1024, "bytes", "a_body_over_its_routes_limit_is_413";
    #[doc = "body of any request"]
    BODY_LARGEST: usize = 1024 * 1024, "bytes", "a_declared_body_over_every_limit_is_413_before_admission";
    #[doc = "bodies in memory at once, over all connections"]
    BODY_BUDGET: usize = 32 * 1024 * 1024, "bytes", "bodies_beyond_the_budget_are_503";
    #[doc = "arrays and objects inside each other, in a JSON body"]
    JSON_DEPTH: usize = 32, "count", "json_deeper_than_the_limit_is_refused";
    #[doc = "connections in all"]
    CONNECTIONS: usize = 512, "count", "the_oldest_waiting_connection_is_evicted_first";
    #[doc = "connections kept for admitted callers, agents and peers excepted"]
    CONNECTIONS_ADMITTED: usize = 64, "count", "strangers_cannot_take_the_places_of_admitted_callers";
    #[doc = "stack of a connection's thread"]
    THREAD_STACK: usize = 256 * 1024, "bytes", "threads_have_the_declared_stack";
    #[doc = "wrong credentials from one peer before 429"]
    WRONG_CREDENTIALS_BURST: u32 = 100, "count", "wrong_credentials_cost_and_right_ones_never_do";
    #[doc = "wrong credentials a second from one peer after the burst"]
    WRONG_CREDENTIALS_PER_SECOND: u32 = 10, "per second", "wrong_credentials_cost_and_right_ones_never_do";
    #[doc = "peers whose wrong credentials are remembered"]
    PENALTY_PEERS: usize = 1_024, "count", "penalties_remember_a_bounded_number_of_peers";
    #[doc = "scans of the process table a second, for the token-less rule"]
    PEER_SCANS_PER_SECOND: u32 = 50, "per second", "peer_scans_are_bounded_per_second";
    #[doc = "looks into agents' trees at once, for their tokens"]
    TREE_LOOKS: usize = 32, "count", "looks_into_agents_trees_are_bounded_at_once";
    #[doc = "agents in all"]
    AGENTS: usize = 1_024, "count", "an_agent_over_the_limit_is_refused";
    #[doc = "agents and objects of one swarm, where LOOPGATE_MAX_AGENTS_PER_SWARM does not say"]
    SWARM_NODES: usize = 100, "count", "the_cap_of_a_swarm_is_a_number_within_what_an_instance_runs";
    #[doc = "output kept per agent"]
    RING: usize = 1024 * 1024, "bytes", "the_ring_keeps_the_newest_bytes_and_tells_of_a_gap";
    #[doc = "output in one answer"]
    OUTPUT_CHUNK: usize = 256 * 1024, "bytes", "one_output_answer_is_bounded";
    #[doc = "longest wait of an output request"]
    OUTPUT_WAIT_MS: u64 = 25_000, "ms", "an_output_wait_over_the_limit_is_cut_to_it";
    #[doc = "requests that may wait at once, for output, a message or an answer"]
    OUTPUT_WAITERS: usize = 128, "count", "output_waiters_are_bounded";
    #[doc = "of those, requests of agents"]
    AGENTS_WAITERS: usize = 96, "count", "agents_together_never_have_the_owners_last_places";
    #[doc = "of those, requests of one agent"]
    AGENT_WAITERS: usize = 4, "count", "one_agent_has_a_few_places_and_gets_them_back";
    #[doc = "answers of /agentmux/file at once, each until it is taken"]
    FILE_READS: usize = 16, "count", "answers_of_files_are_bounded_at_once";
    #[doc = "an agent's command in the list of agents"]
    LISTED_COMMAND: usize = 4 * 1024, "bytes", "a_long_command_is_cut_in_the_list_and_whole_in_its_record";
    #[doc = "what the answer to a registration waits for the agent's file"]
    PUBLISH_MS: u64 = 2_000, "ms", "a_registration_waits_a_bounded_time_for_its_file";
    #[doc = "jobs queued for one terminal"]
    TERMINAL_QUEUE: usize = 32, "count", "a_full_terminal_queue_refuses";
    #[doc = "time for a terminal to take one write"]
    TERMINAL_WRITE_MS: u64 = 10_000, "ms", "a_terminal_that_takes_nothing_fails_the_delivery";
    #[doc = "quiet after which an agent is assumed to wait for input"]
    QUIET_MS: u64 = 2_000, "ms", "an_agent_is_assumed_to_wait_after_two_quiet_seconds";
    #[doc = "time for an agent's tree to be gone after a stop"]
    STOP_MS: u64 = 3_000, "ms", "stop_leaves_nothing_of_the_tree";
    #[doc = "typed text, after the sanitiser"]
    TYPED_TEXT: usize = 10_000, "bytes", "text_over_the_limit_is_cut_and_marked";
    #[doc = "injects a second by one sender"]
    INJECT_PER_SENDER: u32 = 10, "per second", "the_eleventh_inject_of_a_sender_within_a_second_is_refused";
    #[doc = "injects a second by the owner, over all source names"]
    INJECT_OWNER: u32 = 100, "per second", "the_owner_is_limited_over_all_source_names";
    #[doc = "injects a second by all but the owner"]
    INJECT_OTHERS: u32 = 100, "per second", "all_others_together_leave_the_owner_his_share";
    #[doc = "of those, injects by all other instances"]
    INJECT_FAR: u32 = 50, "per second", "other_instances_leave_the_agents_half_of_the_injects";
    #[doc = "injects a second to one target, by the owner and by all others each"]
    INJECT_PER_TARGET: u32 = 10, "per second", "the_eleventh_inject_to_a_target_within_a_second_is_refused";
    #[doc = "injects a second in all"]
    INJECT_TOTAL: u32 = 200, "per second", "injects_are_limited_in_all";
    #[doc = "messages waiting for one agent"]
    MAILBOX: usize = 1_000, "count", "a_full_mailbox_refuses_and_loses_nothing";
    #[doc = "mailboxes"]
    MAILBOXES: usize = 4_096, "count", "mailboxes_are_bounded";
    #[doc = "of the messages waiting for one agent, those of one other agent"]
    MAILBOX_AGENT: usize = 250, "count", "an_agent_fills_no_more_of_a_mailbox_than_its_share";
    #[doc = "of the messages waiting for one agent, those of all callers of other instances"]
    MAILBOX_FAR: usize = 500, "count", "callers_of_other_instances_share_whatever_they_are_called";
    #[doc = "places of a mailbox that no agent's messages fill"]
    MAILBOX_OWNER: usize = 100, "count", "the_last_places_of_a_mailbox_are_the_owners";
    #[doc = "mailboxes that no agent's messages open"]
    MAILBOXES_OWNER: usize = 512, "count", "the_last_mailboxes_are_the_owners";
    #[doc = "undelivered messages, each with 200 bytes beside its id and text"]
    MAIL_BYTES: usize = 256 * 1024 * 1024, "bytes", "undelivered_bytes_are_bounded";
    #[doc = "undelivered messages of one agent"]
    MAIL_BYTES_AGENT: usize = 16 * 1024 * 1024, "bytes", "an_agent_fills_no_more_bytes_than_its_share";
    #[doc = "undelivered messages of all callers of other instances"]
    MAIL_BYTES_FAR: usize = 64 * 1024 * 1024, "bytes", "callers_of_other_instances_share_whatever_they_are_called";
    #[doc = "room for undelivered messages that no agent's messages fill"]
    MAIL_BYTES_OWNER: usize = 32 * 1024 * 1024, "bytes", "the_last_bytes_are_the_owners";
    #[doc = "a message's text"]
    MESSAGE_TEXT: usize = 64 * 1024, "bytes", "a_messages_texts_are_bounded";
    #[doc = "a message's caller and the sender that its reader is shown, each"]
    MESSAGE_FROM: usize = 256, "bytes", "a_messages_texts_are_bounded";
    #[doc = "shortest time to live of a message"]
    TTL_LEAST_MS: u64 = 1_000, "ms", "a_time_to_live_is_kept_within_its_bounds";
    #[doc = "longest time to live of a message"]
    TTL_MOST_MS: u64 = 30_u64 * 24 * 60 * 60 * 1_000, "ms", "a_time_to_live_is_kept_within_its_bounds";
    #[doc = "messages that failed or expired, kept with their words"]
    DEAD_LETTERS: usize = 10_000, "count", "dead_letters_are_bounded_in_number_and_bytes";
    #[doc = "the same, in bytes"]
    DEAD_LETTER_BYTES: usize = 64 * 1024 * 1024, "bytes", "dead_letters_are_bounded_in_number_and_bytes";
    #[doc = "time that a message that failed or expired is kept with its words"]
    DEAD_LETTER_MS: u64 = 7 * 24 * 60 * 60 * 1_000, "ms", "a_dead_letter_is_kept_for_a_week";
    #[doc = "messages that are over and remembered, so that one that is sent again is known"]
    ENDED_MESSAGES: usize = 100_000, "count", "ended_messages_are_remembered_in_a_bounded_number";
    #[doc = "time that a message that is over is remembered, or its time to live where that is longer"]
    ENDED_MESSAGE_MS: u64 = 24 * 60 * 60 * 1_000, "ms", "an_ended_message_is_remembered_for_a_day";
    #[doc = "texts of one page of dead letters"]
    MAIL_PAGE: usize = 1024 * 1024, "bytes", "a_page_is_bounded_in_number_and_bytes";
    #[doc = "messages with one id that are shown at once"]
    FOUND: usize = 1_000, "count", "messages_found_by_their_id_are_bounded";
    #[doc = "messages in one answer"]
    MESSAGES_PAGE: usize = 500, "count", "a_page_of_messages_is_bounded_in_number_and_bytes";
    #[doc = "texts of the messages in one answer, the first one excepted"]
    MESSAGES_PAGE_BYTES: usize = 256 * 1024, "bytes", "a_page_of_messages_is_bounded_in_number_and_bytes";
    #[doc = "a message's id, where its sender gives one"]
    MESSAGE_ID: usize = 128, "bytes", "a_message_id_over_its_limit_is_refused";
    #[doc = "messages and asks a second by one agent"]
    SENDS_PER_AGENT: u32 = 50, "per second", "an_agents_sends_are_limited_and_the_owners_are_not";
    #[doc = "messages a second by all callers of other instances"]
    SENDS_FAR: u32 = 500, "per second", "messages_of_other_instances_are_limited_in_all_whatever_their_senders_are_called";
    #[doc = "held messages that are handed to other instances in one round"]
    HELD_ROUND: usize = 256, "count", "one_round_hands_over_a_bounded_number";
    #[doc = "pause between two rounds while messages are held"]
    HELD_AGAIN_MS: u64 = 2_000, "ms", "what_is_held_is_tried_again_within_two_seconds";
    #[doc = "longest time that an instance is left alone after it took nothing"]
    HELD_PAUSE_MS: u64 = 30_000, "ms", "an_instance_that_takes_nothing_is_left_alone_longer_and_longer";
    #[doc = "instances that are left alone at once"]
    HELD_HOMES: usize = 1_024, "count", "an_instance_that_takes_nothing_is_left_alone_longer_and_longer";
    #[doc = "messages in one answer of the AgentMux message bus"]
    BUS_READ: usize = 500, "count", "case_l45_a_read_gives_100_or_as_many_as_asked_and_at_most_500";
    #[doc = "text of the messages in one answer of the AgentMux message bus, about"]
    BUS_READ_BYTES: usize = 2 * 1024 * 1024, "bytes", "one_answer_of_the_bus_is_bounded_in_bytes";
    #[doc = "messages in terminals' queues at once"]
    TYPING_UNDERWAY: usize = 1_024, "count", "messages_in_terminals_queues_are_bounded";
    #[doc = "questions that wait for an answer at once"]
    ASKS: usize = 64, "count", "waiting_questions_are_bounded";
    #[doc = "of these, kept for others than agents"]
    ASKS_KEPT: usize = 8, "count", "waiting_questions_are_bounded";
    #[doc = "questions of one agent that wait for an answer at once"]
    ASKS_PER_AGENT: usize = 4, "count", "waiting_questions_are_bounded";
    #[doc = "how long an answer is waited for, where the asker does not say"]
    ASK_TIMEOUT_MS: u64 = 30_000, "ms", "the_wait_for_an_answer_is_bounded";
    #[doc = "how long an answer is waited for at most"]
    ASK_TIMEOUT_MOST_MS: u64 = 300_000, "ms", "the_wait_for_an_answer_is_bounded";
    #[doc = "how long a message of the AgentMux message bus waits"]
    BUS_TTL_MS: u64 = 60 * 60 * 1_000, "ms", "a_bus_message_waits_an_hour";
    #[doc = "names on the message bus"]
    BUS_NAMES: usize = 4_096, "count", "names_on_the_bus_are_bounded";
    #[doc = "names on the message bus that one connection holds"]
    SOCKET_NAMES: usize = 16, "count", "the_names_of_one_socket_are_bounded";
    #[doc = "names in the directory of registered agents"]
    DIRECTORY: usize = 4_096, "count", "registrations_are_bounded";
    #[doc = "a registration's block and tab, each"]
    REGISTRATION_TEXT: usize = 256, "bytes", "a_registrations_texts_are_bounded";
    #[doc = "events of which one connection hears"]
    EVENT_SUBSCRIPTIONS: usize = 256, "count", "event_subscriptions_are_bounded";
    #[doc = "scopes of all subscriptions of one connection"]
    EVENT_SCOPES: usize = 1_024, "count", "event_scopes_are_bounded_over_all_subscriptions";
    #[doc = "name or scope of a subscription"]
    EVENT_TEXT: usize = 256, "bytes", "event_texts_are_bounded";
    #[doc = "events that wait for one connection, before it is closed as too slow"]
    EVENT_QUEUE: usize = 256, "count", "an_event_queue_that_is_not_taken_is_overrun_and_keeps_nothing";
    #[doc = "events kept for those who ask later, of one name and scope"]
    EVENT_HISTORY_SCOPE: usize = 1_024, "count", "one_scopes_history_is_bounded";
    #[doc = "events kept for those who ask later, in all"]
    EVENT_HISTORY: usize = 4_096, "count", "the_history_of_all_events_is_bounded";
    #[doc = "injects kept in memory for AgentMux's route"]
    AUDIT_ENTRIES: usize = 1_000, "count", "the_audit_keeps_the_newest_entries";
    #[doc = "a text that an audit entry repeats: source, target, request id"]
    AUDIT_TEXT: usize = 256, "bytes", "an_audit_entrys_texts_are_bounded";
    #[doc = "refusals written to the audit a second"]
    AUDIT_REFUSALS_PER_SECOND: u32 = 10, "per second", "refusals_are_audited_at_a_bounded_rate";
    #[doc = "the audit on disk; beyond it the oldest segment makes room"]
    AUDIT_BYTES: usize = 64 * 1024 * 1024, "bytes", "the_audit_on_disk_is_bounded_and_says_what_made_room";
    #[doc = "audit entries that wait for the disk; more are lost and counted"]
    AUDIT_QUEUE: usize = 4 * 1024 * 1024, "bytes", "a_disk_that_does_not_answer_holds_nobody_up_and_memory_is_bounded";
    #[doc = "how long audit entries are gathered before they are written"]
    AUDIT_GATHER_MS: u64 = 50, "ms", "an_entry_is_on_the_disk_soon_without_anybody_asking";
    #[doc = "audit entries in one answer"]
    AUDIT_PAGE: usize = 1_000, "count", "pages_of_the_audit_are_bounded_and_lead_through_all_of_it";
    #[doc = "audit entries in one answer, in bytes"]
    AUDIT_PAGE_BYTES: usize = 1024 * 1024, "bytes", "pages_of_the_audit_are_bounded_and_lead_through_all_of_it";
    #[doc = "audit entries of one agent in a day"]
    AUDIT_AGENT_A_DAY: usize = 2 * 1024 * 1024, "bytes", "an_agent_fills_no_more_of_the_audit_than_its_share";
    #[doc = "audit entries of all agents and peers in a day"]
    AUDIT_AGENTS_A_DAY: usize = 12 * 1024 * 1024, "bytes", "all_agents_together_fill_no_more_of_the_audit_than_theirs";
    #[doc = "audit entries of all callers of other instances in a day"]
    AUDIT_FAR_A_DAY: usize = 6 * 1024 * 1024, "bytes", "made_up_callers_of_other_instances_leave_the_agents_their_audit";
    #[doc = "audit entries of refused requests in a day"]
    AUDIT_REFUSALS_A_DAY: usize = 4 * 1024 * 1024, "bytes", "those_who_are_turned_away_fill_no_more_of_the_audit_than_their_share";
    #[doc = "callers whose share of the audit is remembered"]
    AUDIT_SHARES: usize = 4_096, "count", "shares_are_remembered_for_a_bounded_number_of_callers";
    #[doc = "fewest rows of a screen"]
    ROWS_MIN: u16 = 2, "count", "a_screen_out_of_bounds_is_refused";
    #[doc = "most rows of a screen"]
    ROWS_MAX: u16 = 500, "count", "a_screen_out_of_bounds_is_refused";
    #[doc = "fewest columns of a screen"]
    COLS_MIN: u16 = 2, "count", "a_screen_out_of_bounds_is_refused";
    #[doc = "most columns of a screen"]
    COLS_MAX: u16 = 1_000, "count", "a_screen_out_of_bounds_is_refused";
    #[doc = "words of an agent's command"]
    COMMAND_WORDS: usize = 256, "count", "a_command_out_of_bounds_is_refused";
    #[doc = "bytes of an agent's command and environment"]
    COMMAND_BYTES: usize = 128 * 1024, "bytes", "a_command_out_of_bounds_is_refused";
    #[doc = "WebSockets at once"]
    WS_CONNECTIONS: usize = 128, "count", "places_are_bounded_and_given_back";
    #[doc = "an inbound WebSocket message, over all of its frames"]
    WS_MESSAGE: usize = 1024 * 1024, "bytes", "a_message_over_its_limit_is_1009_before_its_bytes_are_kept";
    #[doc = "JSON values of one frame; one with more is ignored"]
    WS_JSON_VALUES: usize = 10_000, "count", "a_frame_of_too_many_values_is_ignored_before_they_take_their_memory";
    #[doc = "messages that wait to be sent on one WebSocket"]
    WS_QUEUE_MESSAGES: usize = 256, "count", "a_reader_that_is_too_slow_is_closed_1013";
    #[doc = "bytes that wait to be sent on one WebSocket, the last message excepted"]
    WS_QUEUE_BYTES: usize = 1024 * 1024, "bytes", "a_reader_that_is_too_slow_is_closed_1013";
    #[doc = "time in which a WebSocket's peer takes nothing of what waits for it"]
    WS_STALL_MS: u64 = 10_000, "ms", "a_peer_that_takes_nothing_is_cut_off";
    #[doc = "time between two pings on /ws"]
    WS_PING_MS: u64 = 10_000, "ms", "case_d3_the_config_comes_first_and_then_a_ping_each_ten_seconds";
    #[doc = "time without a frame from a WebSocket's peer"]
    WS_SILENCE_MS: u64 = 30_000, "ms", "a_silent_peer_is_closed";
    #[doc = "time from a WebSocket message's first byte to its last"]
    WS_MESSAGE_MS: u64 = 30_000, "ms", "a_message_that_never_ends_is_1008";
    #[doc = "time that a WebSocket has left when the key that opened it was changed"]
    KEY_GRACE_MS: u64 = 10_000, "ms", "a_connection_whose_key_was_changed_is_closed_4001_at_its_moment";
    #[doc = "time from a WebSocket's close to its end"]
    WS_CLOSE_MS: u64 = 2_000, "ms", "a_close_that_is_not_answered_ends_in_time";
    #[doc = "a private file that is read: key file, lock"]
    PRIVATE_FILE: usize = 64 * 1024, "bytes", "an_oversized_private_file_is_refused";
    #[doc = "one file of the registry"]
    REGISTRY_ENTRY: usize = 16 * 1024, "bytes", "an_oversized_entry_is_refused_and_not_read";
    #[doc = "files and folders of the registry that are looked at"]
    REGISTRY_FILES: usize = 8_192, "count", "a_registry_of_too_many_files_is_looked_at_in_part_and_says_so";
    #[doc = "files of one name in the registry that are looked at"]
    REGISTRY_CHANNELS: usize = 64, "count", "channels_of_one_name_are_bounded";
    #[doc = "things that are wrong with the registry, told at once"]
    REGISTRY_TROUBLES: usize = 256, "count", "troubles_of_the_registry_are_bounded";
    #[doc = "time for asking the kernel about the entries of one look; then the rest is `entry_unknown`"]
    REGISTRY_KERNEL_MS: u64 = 2_000, "ms", "entries_that_the_kernel_takes_long_over_are_unknown_and_stay";
    #[doc = "entries of instances that have ended which wait to be removed"]
    REGISTRY_GONE: usize = 64, "count", "dead_entries_that_wait_to_be_removed_are_bounded";
    #[doc = "time that the registry's lock is waited for"]
    REGISTRY_LOCK_MS: u64 = 1_000, "ms", "a_lock_that_somebody_keeps_holds_nobody_up";
    #[doc = "time between two comparisons of our own files of the registry with what they must be"]
    REGISTRY_RECONCILE_MS: u64 = 30_000, "ms", "a_file_that_somebody_removed_is_written_again";
    #[doc = "time after which our own files of the registry say again that they are true"]
    REGISTRY_REFRESH_MS: u64 = 30 * 60 * 1_000, "ms", "an_entry_is_refreshed_each_half_hour";
    #[doc = "age at which a file of the registry that is no entry is taken for nobody's"]
    REGISTRY_UNFINISHED_MS: u64 = 60_000, "ms", "case_l56_the_start_removes_malformed_entries_that_nobody_writes_to";
    #[doc = "one file of a journal; the next line begins another"]
    JOURNAL_SEGMENT: usize = 8 * 1024 * 1024, "bytes", "a_full_segment_is_followed_by_another";
    #[doc = "one line of a journal"]
    JOURNAL_LINE: usize = 1024 * 1024, "bytes", "a_line_over_its_limit_is_refused_and_never_read_whole";
    #[doc = "lines of one journal that wait to be written"]
    JOURNAL_UNWRITTEN: usize = 16 * 1024 * 1024, "bytes", "lines_that_wait_for_the_disk_are_bounded";
    #[doc = "time that a writer waits for the sync that another one leads"]
    JOURNAL_WAIT_MS: u64 = 10_000, "ms", "a_writer_behind_a_disk_that_does_not_answer_is_told_at_the_deadline";
    #[doc = "files in a journal's directory"]
    JOURNAL_FILES: usize = 4_096, "count", "a_directory_of_too_many_files_is_refused";
    #[doc = "bad places, and foreign files, that opening a journal names one by one"]
    JOURNAL_BAD_SHOWN: usize = 32, "count", "bad_lines_are_reported_in_a_bounded_list";
    #[doc = "a message of a WebSocket that a client verb reads or leaves unwritten"]
    CLIENT_MESSAGE: usize = 2 * 1024 * 1024, "bytes", "a_client_refuses_a_message_over_its_limit";
    #[doc = "an answer that a client verb reads"]
    CLIENT_ANSWER: usize = 16 * 1024 * 1024, "bytes", "a_client_refuses_an_answer_over_its_limit";
    #[doc = "time until a connection to another instance stands"]
    FORWARD_CONNECT_MS: u64 = 500, "ms", "a_peer_that_lets_nobody_connect_costs_half_a_second";
    #[doc = "time for a letter to another instance, its answer included"]
    FORWARD_MS: u64 = 3_000, "ms", "a_letter_ends_in_time_whatever_the_peer_does";
    #[doc = "another instance's answer to a letter"]
    FORWARD_ANSWER: usize = 64 * 1024, "bytes", "a_peers_answer_over_its_limit_is_none";
    #[doc = "instances that a letter comes through"]
    FORWARD_HOPS: u64 = 3, "count", "a_letter_is_handed_on_three_times_at_most";
    #[doc = "letters on their way to one other instance at once"]
    FORWARDS_PER_PEER: usize = 4, "count", "one_peer_has_four_letters_at_once";
    #[doc = "letters on their way to other instances at once, in all"]
    FORWARDS: usize = 32, "count", "letters_on_their_way_are_bounded_in_all";
    #[doc = "of those in all, what is kept from letters of agents"]
    FORWARDS_KEPT: usize = 8, "count", "letters_of_agents_leave_places_to_the_owner";
    #[doc = "of those to one, what is kept from letters of agents"]
    FORWARDS_PER_PEER_KEPT: usize = 1, "count", "letters_of_agents_leave_places_to_the_owner";
    #[doc = "time that a letter waits for its turn"]
    FORWARD_TURN_MS: u64 = 1_000, "ms", "a_letter_without_a_turn_is_told_so_in_time";
    #[doc = "agents and objects in one document of a swarm, whatever the swarm's own cap"]
    IR_NODES: usize = 1_024, "count", "a_document_holds_a_bounded_number_of_nodes";
    #[doc = "edges in one document of a swarm"]
    IR_EDGES: usize = 16_384, "count", "a_document_holds_a_bounded_number_of_edges";
    #[doc = "events in one overlay"]
    IR_EVENTS: usize = 10_000, "count", "an_overlay_holds_a_bounded_number_of_events";
    #[doc = "a name or a ref in a document of a swarm"]
    IR_TEXT: usize = 512, "bytes", "names_and_refs_of_a_document_are_bounded";
    #[doc = "arrays and objects inside each other, in the free fields of a document of a swarm"]
    IR_DEPTH: usize = 24, "count", "free_fields_of_a_document_are_bounded_in_depth";
    #[doc = "a swarm's config"]
    CONFIG_BYTES: usize = 1024 * 1024, "bytes", "a_config_over_its_size_is_refused";
    #[doc = "agents and objects in one config; how many may run is a setting"]
    CONFIG_NODES: usize = 1_024, "count", "a_config_has_a_bounded_number_of_nodes_and_edges";
    #[doc = "edges in one config"]
    CONFIG_EDGES: usize = 16_384, "count", "a_config_has_a_bounded_number_of_nodes_and_edges";
    #[doc = "skills, tools, presets, binds or volumes of one agent, each"]
    CONFIG_LIST: usize = 64, "count", "lists_and_texts_of_a_config_are_bounded";
    #[doc = "a text in a config: a path, an endpoint"]
    CONFIG_TEXT: usize = 4 * 1024, "bytes", "lists_and_texts_of_a_config_are_bounded";
    #[doc = "the name of a model, an image or a host"]
    CONFIG_WORD: usize = 256, "bytes", "lists_and_texts_of_a_config_are_bounded";
    #[doc = "turns that a config may allow an agent"]
    CONFIG_TURNS: u64 = 1_000_000, "count", "numbers_of_a_config_are_bounded";
    #[doc = "time that a config may give a turn"]
    CONFIG_TURN_MS: u64 = 7 * 24 * 60 * 60 * 1_000, "ms", "numbers_of_a_config_are_bounded";
    #[doc = "time between a turn and its reply"]
    CONFIG_GRACE_MS: u64 = 60 * 60 * 1_000, "ms", "numbers_of_a_config_are_bounded";
    #[doc = "variables of one agent"]
    CONFIG_ENV: usize = 256, "count", "the_environment_of_an_agent_is_bounded";
    #[doc = "turns in the script of a mock agent"]
    SCRIPT_TURNS: usize = 1_000, "count", "a_script_has_a_bounded_number_of_turns";
}

/// one file of an agent's outbox
pub const OUTBOX_FILE: usize = 1024 * 1024 + 64 * 1024;
/// letters taken from an outbox in one look
pub const OUTBOX_LETTERS: usize = 64;
/// bytes taken from an outbox in one look, and then no further letter
pub const OUTBOX_BYTES: usize = 4 * 1024 * 1024;
/// names of an outbox that are looked at in one look
pub const OUTBOX_ENTRIES: usize = 10_000;
/// of those, names that are held, the first in order
pub const OUTBOX_NAMES: usize = 1_000;
/// time for a file of an outbox to become a whole letter
pub const OUTBOX_UNFINISHED_MS: u64 = 1_000;
/// longest id of an ask
pub const REPLY_ID: usize = 128;
/// delivered messages kept in files for one agent
pub const INBOX_FILES: usize = 1_000;
/// the same, in bytes
pub const INBOX_BYTES: usize = 64 * 1024 * 1024;
/// answers to asks kept in files for one agent
pub const REPLIES: usize = 1_000;
/// age at which the file of an answer is removed
pub const REPLY_KEPT_MS: u64 = 60 * 60 * 1_000;
/// one skill
pub const SKILL_FILE: usize = 1024 * 1024;
/// skills shown of the repository
pub const SKILLS: usize = 1_000;
/// directories inside each other in which skills are looked for
pub const SKILL_DEPTH: usize = 8;
/// names looked at for skills
pub const SKILL_ENTRIES: usize = 10_000;
/// skills of one agent
pub const AGENT_SKILLS: usize = 100;
/// the same when they are shown, in bytes
pub const AGENT_SKILLS_BYTES: usize = 8 * 1024 * 1024;
/// swarms kept
pub const SWARMS_KEPT: usize = 64;
/// the seed of one swarm, on the disk
pub const SWARM_SEED: usize = 4 * 1024 * 1024;
/// changes kept of one swarm
pub const OVERLAY_CHANGES: usize = 4_096;
/// the same, in bytes
pub const OVERLAY_BYTES: usize = 8 * 1024 * 1024;
/// one change of a swarm, as a line
pub const OVERLAY_LINE: usize = 2 * 1024 * 1024;
/// a message in a swarm
pub const SWARM_MESSAGE: usize = 1024 * 1024;
