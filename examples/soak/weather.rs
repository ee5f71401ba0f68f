//! What goes wrong: 5 % of all requests meet a fault, and now and then the whole service is away for a moment.

use crate::{Soak, count, pause, random::Random};
use oss_append::testing::Fault;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// So many requests of each kind are always scripted ahead.
const AHEAD: usize = 1000;
const PERCENT: u64 = 5;
const METHODS: [&str; 3] = ["POST", "HEAD", "GET"];

pub(crate) struct Weather {
    random: Random,
    /// What the next requests meet, as the fake was told: the names of faults, or nothing.
    scripts: [VecDeque<Option<&'static str>>; 3],
    met: BTreeMap<&'static str, u64>,
    appends: u64,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed, u64::MAX), scripts: Default::default(), met: BTreeMap::new(), appends: 0 }
    }

    /// Called every 50 ms.
    pub(crate) fn change(&mut self, soak: &Soak) {
        self.tally(soak);
        self.script(soak);
        if self.random.percent(25) {
            soak.oss.land(); // what was held back
        }
        if self.random.percent(1) {
            count(&soak.done.restarts, 1);
            soak.oss.go_away();
            pause(Duration::from_millis(self.random.below(300)));
        }
        soak.oss.come_back(); // after a fault, too
    }

    /// Takes the requests from the fake: it would keep all of them.
    fn tally(&mut self, soak: &Soak) {
        for request in soak.oss.take_requests() {
            let Some(method) = METHODS.iter().position(|method| *method == request.method) else { continue };
            self.appends += u64::from(method == 0);
            if let Some(Some(fault)) = self.scripts[method].pop_front() {
                *self.met.entry(fault).or_default() += 1;
            }
        }
    }

    fn script(&mut self, soak: &Soak) {
        for (method, script) in METHODS.into_iter().zip(&mut self.scripts) {
            while script.len() < AHEAD {
                let fault = self.random.percent(PERCENT).then(|| match method {
                    "POST" => of_append(&mut self.random),
                    _ => of_question(&mut self.random),
                });
                let (name, fault) = fault.map_or((None, Fault::Pass), |(name, fault)| (Some(name), fault));
                script.push_back(name);
                soak.oss.inject_on(method, fault);
            }
        }
    }

    pub(crate) fn appends(&self) -> u64 {
        self.appends
    }

    /// How many of which kind were met.
    pub(crate) fn faults(&self) -> String {
        let all: Vec<_> = self.met.iter().map(|(name, met)| format!("{met} {name}")).collect();
        all.join(", ")
    }
}

/// All that can happen to an append without anybody lying: not other writers (but see [`streams`](crate::streams)), no
/// damage and no false figures, which rightly end a stream.
fn of_append(random: &mut Random) -> (&'static str, Fault) {
    let refusal = [
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
        (400, "IncompleteBody"),
        (403, "RequestTimeTooSkewed"),
    ];
    match random.below(18) {
        // Before anything is stored.
        0 => ("lost", Fault::LoseRequest),
        1 => ("lost", Fault::LoseRequest.and(Fault::Reset)),
        2 => ("cut", Fault::CutRequest(random.size(100_000))),
        3 => ("refused early", Fault::RefuseEarlyWith(503, "ServiceUnavailable")),
        4 => {
            let (status, code) = random.pick(&refusal);
            ("refused", Fault::Refuse(status, code))
        }
        5 => ("page", Fault::Page(random.pick(&[200, 302, 403, 404, 502, 504]))),
        // Later, or twice.
        6 => ("late", Fault::ApplyLate),
        7 => ("late", Fault::ApplyAfter(random.pick(&[1, 2, 10]))),
        8 => ("late", Fault::Hold),
        9 => ("doubled", Fault::Duplicate),
        // Stored.
        10 | 11 => ("answer lost", Fault::LoseAnswer),
        12 => ("answer lost", Fault::LoseAnswer.and(Fault::Reset)),
        13 => ("answered 5xx", Fault::FailAfter(random.pick(&[500, 503]), "InternalError")),
        14 => ("page", Fault::PageAfter(random.pick(&[200, 302, 403, 404, 502, 504]))),
        _ => of_answer(random),
    }
}

/// To a HEAD or a GET.
fn of_question(random: &mut Random) -> (&'static str, Fault) {
    match random.below(8) {
        0 => ("lost", Fault::LoseRequest),
        1 => ("answer lost", Fault::LoseAnswer),
        2 => ("refused", Fault::Refuse(random.pick(&[500, 503, 429]), "ServiceUnavailable")),
        3 => ("page", Fault::Page(random.pick(&[200, 302, 502]))),
        4 => ("range ignored", Fault::IgnoreRange),
        _ => of_answer(random),
    }
}

/// To the answer, or to the connection behind it.
fn of_answer(random: &mut Random) -> (&'static str, Fault) {
    match random.below(8) {
        0 | 1 => ("answer cut", Fault::CutAnswer(random.below(500))),
        2 => ("garbled", random.pick(&[|| Fault::Garbage, || Fault::StripHeaders])()),
        // The last is longer than the client waits.
        3 => ("delayed", Fault::Stall(Duration::from_millis(random.pick(&[1, 10, 100, 100, 100, 3000])))),
        4 => ("closed behind", Fault::CloseAfter),
        5 => ("unasked answer", Fault::Unasked),
        6 => ("answered 5xx", Fault::Status(random.pick(&[500, 503]))),
        _ => ("went away", Fault::GoAway.and(random.pick(&[|| Fault::LoseAnswer, || Fault::Pass])())),
    }
}
