use crate::policy::whole;

/// A load to size a service for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizing {
    /// Requests per second.
    pub rps: f64,
    /// Seconds that one request takes in a replica.
    pub latency: f64,
    /// Requests that one replica handles at a time.
    pub concurrency: u32,
    /// Part of the replicas that should be busy, above 0 and up to 1.
    pub target: f64,
}

/// Requests at the same time and replicas for a load: `rps × latency / target` requests (Little's law with head room),
/// divided by those that a replica handles at a time and rounded up. The formula of Azure's guide to sizing a cluster.
#[must_use]
pub fn size(sizing: &Sizing) -> (f64, u32) {
    let concurrent = sizing.rps * sizing.latency / sizing.target;
    (concurrent, whole(concurrent / f64::from(sizing.concurrency.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azures_example_needs_its_286_replicas() {
        let sizing = Sizing { rps: 20.0, latency: 10.0, concurrency: 1, target: 0.7 };
        let (concurrent, replicas) = size(&sizing);
        assert!((concurrent - 285.714).abs() < 0.001, "{concurrent}");
        assert_eq!(replicas, 286);
        assert_eq!(size(&Sizing { concurrency: 4, ..sizing }).1, 72);
    }

    #[test]
    fn a_whole_result_is_not_rounded_up() {
        assert_eq!(size(&Sizing { rps: 70.0, latency: 0.1, concurrency: 1, target: 0.7 }).1, 10);
        assert_eq!(size(&Sizing { rps: 0.0, latency: 0.1, concurrency: 1, target: 0.7 }).1, 0);
    }
}
