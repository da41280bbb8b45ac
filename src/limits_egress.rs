//! The limits of the way out of isolated agents.

use super::Limit;

limits! {
    #[doc = "the URL of a model endpoint"]
    ENDPOINT: usize = 1024, "bytes", "an_endpoint_over_its_limit_is_refused";
    #[doc = "look-ups of endpoints' names under way at once; one more fails"]
    LOOKUPS: usize = 8, "count", "a_resolver_that_hangs_holds_a_few_threads_and_no_caller";
    #[doc = "time for the look-up of an endpoint's name"]
    LOOKUP_MS: u64 = 5_000, "ms", "a_name_is_looked_up_within_the_time_or_not_at_all";
    #[doc = "addresses of one endpoint that are dialled"]
    ENDPOINT_ADDRESSES: usize = 8, "count", "at_most_eight_addresses_are_dialled";
    #[doc = "connections of one isolated agent to its forwarder"]
    EGRESS_CONNECTIONS: usize = 32, "count", "connections_over_the_limit_are_told_so";
    #[doc = "stack of the thread of such a connection"]
    EGRESS_STACK: usize = 512 * 1024, "bytes", "an_answer_of_64_mib_passes_whole";
    #[doc = "requests of one isolated agent on their way at once, where its config does not say"]
    EGRESS_CONCURRENT: usize = 8, "count", "requests_at_once_are_bounded";
    #[doc = "requests of one isolated agent in a minute, where its config does not say"]
    EGRESS_REQUESTS_PER_MINUTE: u32 = 600, "per minute", "requests_a_minute_are_bounded";
    #[doc = "body of a request to the endpoint"]
    EGRESS_BODY: usize = 32 * 1024 * 1024, "bytes", "a_body_over_the_limit_is_refused_unread";
    #[doc = "time for the head of a request to the endpoint"]
    EGRESS_HEAD_MS: u64 = 10_000, "ms", "slow_and_endless_requests_end_by_the_deadline";
    #[doc = "time for its body"]
    EGRESS_BODY_MS: u64 = 60_000, "ms", "slow_and_endless_requests_end_by_the_deadline";
    #[doc = "time in which an isolated agent must take the next piece of an answer"]
    EGRESS_WRITE_MS: u64 = 60_000, "ms", "an_agent_that_does_not_read_is_cut_off";
    #[doc = "silence between two requests of a connection to the forwarder"]
    EGRESS_IDLE_MS: u64 = 60_000, "ms", "slow_and_endless_requests_end_by_the_deadline";
    #[doc = "time between two events about refusals of one kind"]
    EGRESS_TOLD_PAUSE_MS: u64 = 60_000, "ms", "refusals_are_told_at_once_and_then_once_a_minute";
    #[doc = "time for a connection to the endpoint, TLS included"]
    UPSTREAM_CONNECT_MS: u64 = 10_000, "ms", "an_endpoint_that_is_silent_ends_by_the_deadline";
    #[doc = "time for the endpoint to take a request"]
    UPSTREAM_REQUEST_MS: u64 = 70_000, "ms", "an_endpoint_that_is_silent_ends_by_the_deadline";
    #[doc = "time until the endpoint begins to answer"]
    UPSTREAM_ANSWER_MS: u64 = 600_000, "ms", "an_endpoint_that_is_silent_ends_by_the_deadline";
    #[doc = "silence within an answer"]
    UPSTREAM_SILENCE_MS: u64 = 600_000, "ms", "an_endpoint_that_is_silent_ends_by_the_deadline";
    #[doc = "head of the endpoint's answer"]
    UPSTREAM_HEAD: usize = 32 * 1024, "bytes", "answers_that_are_none_are_not_passed_on";
    #[doc = "connections to the endpoint that wait for the next request of their agent"]
    UPSTREAM_IDLE: usize = 4, "count", "connections_that_wait_are_few_and_not_kept_for_long";
    #[doc = "time for which such a connection is kept"]
    UPSTREAM_IDLE_MS: u64 = 30_000, "ms", "connections_that_wait_are_few_and_not_kept_for_long";
    #[doc = "time between two questions for the endpoint's addresses, when dialling fails"]
    UPSTREAM_RESOLVE_PAUSE_MS: u64 = 60_000, "ms", "fresh_addresses_are_asked_for_once_when_dialling_fails";
}
