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
}
