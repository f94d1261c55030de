#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn setting() -> Setting {
    Setting {
        policy: Policy {
            min: 1,
            max: 200,
            target: 0.7,
            requests_per_replica: 1,
            stable: Duration::from_secs(60),
            idle_after: Duration::from_secs(60),
        },
        refresh: Duration::from_secs(1),
        latency: Duration::from_millis(100),
        start: Duration::from_millis(1),
        max_queue: 1000,
        max_wait: Duration::from_millis(500),
        seed: 7,
    }
}

fn traffic(shape: Shape) -> Traffic {
    Traffic::shaped(shape, 200.0, Duration::from_secs(400))
}

const SHAPES: [Shape; 4] = [Shape::Step, Shape::Spike, Shape::Diurnal, Shape::Poisson];

fn all(shape: Shape, setting: &Setting) -> [Report; 3] {
    let traffic = traffic(shape);
    [
        simulate(&traffic, &mut Ours::default(), setting),
        simulate(&traffic, &mut Azure::default(), setting),
        simulate(&traffic, &mut Knative::default(), setting),
    ]
}

#[test]
fn every_request_is_answered_or_refused() {
    for shape in SHAPES {
        for report in all(shape, &setting()) {
            assert_eq!(report.answered + report.refused, report.requests, "{shape:?} {report:?}");
            assert!(report.requests > 5000, "{report:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_seed_another() {
    let traffic = traffic(Shape::Poisson);
    let run = |seed| simulate(&traffic, &mut Ours::default(), &Setting { seed, ..setting() });
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).requests, run(2).requests);
}

#[test]
fn a_constant_load_needs_what_the_formula_says() {
    // A step at time 0 would be all of the rate; the last three quarters of a step are constant.
    let setting = setting();
    let report = simulate(&traffic(Shape::Step), &mut Ours::default(), &setting);
    let (_, needed) = crate::size(&crate::Sizing { rps: 200.0, latency: 0.1, concurrency: 1, target: 0.7 });
    assert!(report.most >= needed && report.most < needed * 2, "{} against {needed}", report.most);
}

#[test]
fn replicas_made_inside_the_request_refuse_nobody() {
    for shape in SHAPES {
        let report = simulate(&traffic(shape), &mut Ours::default(), &setting());
        assert_eq!(report.refused, 0, "{shape:?}");
        assert!(report.p99_wait <= Duration::from_millis(1), "{shape:?} {:?}", report.p99_wait);
    }
}

#[test]
fn a_step_is_refused_longer_by_rules_that_look_once_a_period() {
    let [ours, azure, knative] = all(Shape::Step, &setting());
    assert!(ours.refused < azure.refused && ours.refused < knative.refused, "{ours:?} {azure:?} {knative:?}");
}

#[test]
fn to_zero_and_back_costs_one_start() {
    let setting =
        Setting { policy: Policy { min: 0, idle_after: Duration::from_secs(5), ..setting().policy }, ..setting() };
    let rare = Traffic::shaped(Shape::Step, 0.05, Duration::from_secs(4000));
    let report = simulate(&rare, &mut Ours::default(), &setting);
    assert!(report.requests > 50 && report.refused == 0, "{report:?}");
    assert!(report.replica_seconds < 8.0 * report.requests as f64, "{report:?}");
    assert!(report.p99_wait <= setting.start, "{report:?}");
}

#[test]
fn the_traffic_has_the_rate_that_was_asked_for() {
    for (shape, expected) in [(Shape::Step, 0.775), (Shape::Spike, 0.1675), (Shape::Diurnal, 0.55)] {
        let arrivals = traffic(shape).arrivals(&mut Random::new(3)).len() as f64;
        let part = arrivals / (200.0 * 400.0);
        assert!((part - expected).abs() < 0.02, "{shape:?} {part}");
    }
}

#[test]
fn recorded_traffic_is_played_as_it_was_counted() {
    let second = Duration::from_secs;
    let recorded =
        |rates: &[(u64, f64)]| Traffic::recorded(rates.iter().map(|(at, rate)| (second(*at), *rate)).collect());
    let traffic = recorded(&[(0, 100.0), (50, 0.0), (100, 300.0)]).unwrap();
    assert_eq!((traffic.length(), traffic.highest()), (second(150), 300.0));
    let arrivals = traffic.arrivals(&mut Random::new(3));
    let within = |from, to| arrivals.iter().filter(|at| (second(from)..second(to)).contains(at)).count() as f64;
    assert!((within(0, 50) / 5_000.0 - 1.0).abs() < 0.05, "{}", within(0, 50));
    assert_eq!(within(50, 100), 0.0);
    assert!((within(100, 150) / 15_000.0 - 1.0).abs() < 0.05, "{}", within(100, 150));
    assert!(recorded(&[(0, 1.0)]).is_none() && recorded(&[(5, 1.0), (5, 2.0)]).is_none());
    let nothing = recorded(&[(0, 0.0), (5, 0.0)]).unwrap();
    assert_eq!(simulate(&nothing, &mut Ours::default(), &setting()).requests, 0);
}
