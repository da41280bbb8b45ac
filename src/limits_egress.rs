//! The limits of the way out of isolated agents.

use super::Limit;

limits! {
    #[doc = "the URL of a model endpoint"]
    ENDPOINT: usize = 1024, "bytes", "an_endpoint_over_its_limit_is_refused";
}
