//! Which requests leave the default.

use scorehost_core::{Asked, ServiceName, Sticky, Traffic, VersionName};

use super::split::Split;
use super::sticky::Claims;
use super::turns::Turn;

/// How requests are divided: each anew, or each caller once.
#[derive(Clone, Debug)]
pub(super) struct Division {
    split: Split,
    sticky: Option<(Sticky, Claims)>,
}

impl Division {
    /// `None` where everything goes to the default.
    pub(super) fn new(
        service: &ServiceName,
        traffic: &Traffic,
        find: impl Fn(&VersionName) -> Option<usize>,
    ) -> Option<Self> {
        let split = Split::new(traffic, &find)?;
        let sticky = traffic.sticky.clone().map(|sticky| (sticky, Claims::new(service, traffic, &find)));
        Some(Self { split, sticky })
    }

    /// The version chosen, where it is live; otherwise the default stands in.
    pub(super) fn choose(&self, asked: &Asked<'_>, turn: Turn) -> Option<usize> {
        match &self.sticky {
            Some((sticky, claims)) => match key(sticky, asked) {
                Some(key) => claims.choose(key),
                None => self.split.choose(turn.first()),
            },
            None => self.split.choose(turn.first()),
        }
    }
}

/// What a caller is known by; `None` where the request does not tell, so that it is divided freely.
fn key<'a>(sticky: &Sticky, asked: &Asked<'a>) -> Option<&'a str> {
    match sticky {
        Sticky::Header(name) => asked.headers?.first(name),
        Sticky::Caller => asked.caller,
    }
}
