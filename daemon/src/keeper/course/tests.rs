use proptest::prelude::*;
use vedette_crypto::share::PlatformShare;
use vedette_protocol::{
    ApplianceId, OrgId, ScanId,
    copy::CopyState,
    keeper::{NotGenuine, Unfit},
    link::{
        ActivateOutcome, ActivateRefusal, Answer, BootOutcome, ConfirmOutcome, Enrolment, PollOutcome,
        Request, Ticket, TimeOutcome, share_context,
    },
};

use super::*;

/// The platform's side, as far as a keeper sees it.
struct Platform {
    key: SigningKey,
    share: PlatformShare,
}

const APPLIANCE: ApplianceId = ApplianceId([7; 16]);
const ORG: OrgId = OrgId([8; 16]);

impl Platform {
    fn new() -> Self {
        Self {
            key: SigningKey::generate(),
            share: PlatformShare::random(),
        }
    }

    fn answer<R: Request>(&self, body: &[u8], outcome: R::Outcome) -> Vec<u8>
    where
        Answer<R::Outcome>: Message,
    {
        let answer = Answer {
            request: Digest::of(body),
            now: Timestamp(5_000),
            outcome,
        };
        let Ok(signed) = Signed::seal(&answer, &self.key);
        signed.to_bytes()
    }

    fn ticket(&self, appliance: ApplianceId, number: u64) -> Signed<Ticket> {
        let Ok(ticket) = Signed::seal(&Ticket { appliance, number }, &self.key);
        ticket
    }

    fn time(&self, body: &[u8]) -> Vec<u8> {
        self.answer::<TimeRequest>(body, TimeOutcome)
    }

    fn enrol(&self, body: &[u8]) -> Vec<u8> {
        let enrolment = Enrolment {
            appliance: APPLIANCE,
            org: ORG,
            certificate: vec![1, 2, 3],
            ticket: self.ticket(APPLIANCE, 1),
        };
        self.answer::<ActivateRequest>(body, ActivateOutcome::Enrolled(enrolment))
    }

    fn proceed(&self, body: &[u8]) -> Vec<u8> {
        let request = Signed::<BootRequest>::from_bytes(body).unwrap();
        let request = request.verify(&identity_of(&request)).unwrap();
        let number = request.ticket.verify(&self.key.verifying_key()).unwrap().number;
        let next = self.ticket(APPLIANCE, number + 1);
        self.answer::<BootRequest>(body, BootOutcome::Proceed { next })
    }

    fn confirm(&self, boot_body: &[u8], body: &[u8], appliance: ApplianceId) -> Vec<u8> {
        let boot = Signed::<BootRequest>::from_bytes(boot_body).unwrap();
        let boot = boot.verify(&identity_of(&boot)).unwrap();
        let number = boot.ticket.verify(&self.key.verifying_key()).unwrap().number + 1;
        let context = share_context(appliance, BootId(Digest::of(boot_body).0), number);
        let sealed = self
            .share
            .with(|share| boot.sealing_key.seal(&context, share))
            .unwrap();
        self.answer::<ConfirmRequest>(body, ConfirmOutcome::Share(sealed))
    }

    fn job(&self, appliance: ApplianceId, expires: u64) -> Signed<Job> {
        let job = Job {
            id: JobId([1; 16]),
            scan: ScanId([2; 16]),
            org: ORG,
            appliance,
            fence: 1,
            targets: vec!["192.0.2.7".parse().unwrap()].try_into().unwrap(),
            exclude: vec![],
            ports: "80".parse().unwrap(),
            checks: vedette_protocol::job::Checks::of_endpoints(),
            login: None,
            web: None,
            expires: Timestamp(expires),
        };
        let Ok(job) = Signed::seal(&job, &self.key);
        job
    }
}

thread_local! {
    /// The identity of the course under test: a request does not name its key in full.
    static IDENTITY: std::cell::Cell<Option<VerifyingKey>> = const { std::cell::Cell::new(None) };
}

fn identity_of<T>(_: &Signed<T>) -> VerifyingKey {
    IDENTITY.get().unwrap()
}

fn now(seconds: u64) -> Now {
    Now {
        monotonic: Duration::from_secs(seconds),
        wall: Timestamp(5_000 + seconds),
    }
}

fn course(platform: &Platform) -> Course {
    let identity = SigningKey::generate();
    IDENTITY.set(Some(identity.verifying_key()));
    let pins = Pins {
        platform: platform.key.verifying_key(),
        image: ImageId([3; 32]),
        kind: ImageKind::Release,
    };
    Course::new(pins, identity, Stage::New { token: None }, Owned::default())
}

/// Asks, lets the platform answer, and takes the step.
fn exchange(
    course: &mut Course,
    compose: Compose,
    answer: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<KeeperAnswer, Refusal> {
    let exchange = compose.exchange();
    let body = course.compose(compose, now(0))?;
    let step = course.open(exchange, &answer(&body), now(1))?;
    Ok(course.take(step))
}

fn with_clock(platform: &Platform) -> Course {
    let mut course = course(platform);
    let clock = exchange(&mut course, Compose::Time, |body| platform.time(body));
    assert_eq!(clock, Ok(KeeperAnswer::Clock(Timestamp(5_000))));
    course
}

fn enrolled(platform: &Platform) -> Course {
    let mut course = with_clock(platform);
    exchange(&mut course, Compose::Activate, |body| platform.enrol(body)).unwrap();
    course
}

fn accepted(platform: &Platform) -> (Course, Vec<u8>) {
    let mut course = enrolled(platform);
    let boot = course.compose(Compose::Boot, now(0)).unwrap();
    let step = course
        .open(Exchange::Boot, &platform.proceed(&boot), now(1))
        .unwrap();
    assert!(matches!(course.take(step), KeeperAnswer::Boot(_)));
    (course, boot)
}

fn serving(platform: &Platform) -> Course {
    let (mut course, boot) = accepted(platform);
    let answer = exchange(&mut course, Compose::Confirm, |body| {
        platform.confirm(&boot, body, APPLIANCE)
    });
    assert_eq!(answer, Ok(KeeperAnswer::Unlocked));
    course
}

fn poll(free: u32) -> Compose {
    Compose::Poll {
        wait: 10,
        free,
        running: vec![],
        copy: CopyState::Off,
        missed: 0,
    }
}

fn serve(jobs: Vec<Signed<Job>>) -> PollOutcome {
    PollOutcome::Serve {
        jobs: jobs.into_iter().map(Assignment::from).collect(),
        words: vec![],
        stop: vec![JobId([9; 16])],
        interval: 30,
    }
}

#[test]
fn a_boot_goes_from_the_clock_to_work() {
    let platform = Platform::new();
    let mut course = serving(&platform);
    assert!(course.standing().unlocked.is_some());
    let work = exchange(&mut course, poll(4), |body| {
        platform.answer::<PollRequest>(body, serve(vec![platform.job(APPLIANCE, 9_000)]))
    });
    let Ok(KeeperAnswer::Work {
        jobs,
        stop,
        interval,
        owner: None,
        copying: None,
    }) = work
    else {
        panic!("{work:?}");
    };
    assert_eq!((jobs.len(), stop, interval), (1, vec![JobId([9; 16])], 30));
}

#[test]
fn nothing_is_asked_out_of_order() {
    let platform = Platform::new();
    let late = [Compose::Boot, Compose::Confirm, poll(1)];
    let mut fresh = course(&platform);
    for compose in late.iter().chain([&Compose::Activate]) {
        assert_eq!(fresh.compose(compose.clone(), now(0)), Err(Refusal::Order));
    }
    let mut course = with_clock(&platform);
    for compose in late {
        assert_eq!(course.compose(compose, now(0)), Err(Refusal::Order));
    }
    let mut course = enrolled(&platform);
    for compose in [Compose::Activate, Compose::Confirm, poll(1)] {
        assert_eq!(course.compose(compose, now(0)), Err(Refusal::Order));
    }
    assert_eq!(
        course.open(Exchange::Boot, &[], now(0)).unwrap_err(),
        Refusal::Order
    );
}

#[test]
fn before_the_clock_is_set_nothing_leaves_but_a_nonce() {
    let platform = Platform::new();
    let mut course = course(&platform);
    let one = course.compose(Compose::Time, now(0)).unwrap();
    let two = course.compose(Compose::Time, now(0)).unwrap();
    assert_eq!((one.len(), two.len()), (32, 32));
    assert_ne!(one, two);
}

#[test]
fn the_time_is_believed_for_ten_seconds() {
    let platform = Platform::new();
    let mut course = course(&platform);
    for (seconds, believed) in [(10, true), (11, false)] {
        let body = course.compose(Compose::Time, now(0)).unwrap();
        let opened = course.open(Exchange::Time, &platform.time(&body), now(seconds));
        assert_eq!(opened.is_ok(), believed);
        assert!(believed || opened.unwrap_err() == Refusal::Late);
    }
    assert!(
        !course.standing().clock_set,
        "a step that was dropped was not made"
    );
}

#[test]
fn an_answer_serves_once_and_for_its_request_only() {
    let platform = Platform::new();
    let mut course = course(&platform);
    let first = course.compose(Compose::Time, now(0)).unwrap();
    let second = course.compose(Compose::Time, now(0)).unwrap();
    let replayed = Refusal::NotGenuine(NotGenuine::Replayed);
    assert_eq!(
        course
            .open(Exchange::Time, &platform.time(&first), now(1))
            .unwrap_err(),
        replayed
    );
    // The wrong answer has used the request up.
    assert_eq!(
        course
            .open(Exchange::Time, &platform.time(&second), now(1))
            .unwrap_err(),
        Refusal::Order
    );
}

#[test]
fn another_key_does_not_answer() {
    let (platform, rogue) = (Platform::new(), Platform::new());
    let mut course = course(&platform);
    let refused = exchange(&mut course, Compose::Time, |body| rogue.time(body));
    assert_eq!(refused, Err(Refusal::NotGenuine(NotGenuine::WrongKey)));
    assert!(!course.standing().clock_set);
}

#[test]
fn an_answer_to_another_exchange_is_none() {
    let platform = Platform::new();
    let mut course = enrolled(&platform);
    let body = course.compose(Compose::Boot, now(0)).unwrap();
    let answer = platform.answer::<PollRequest>(&body, serve(vec![]));
    let refused = course.open(Exchange::Boot, &answer, now(1)).unwrap_err();
    assert_eq!(refused, Refusal::NotGenuine(NotGenuine::BadSignature));
}

#[test]
fn a_ticket_must_be_ours_and_the_next() {
    let (platform, rogue) = (Platform::new(), Platform::new());
    for next in [
        platform.ticket(APPLIANCE, 1),
        platform.ticket(APPLIANCE, 3),
        platform.ticket(ApplianceId([9; 16]), 2),
        rogue.ticket(APPLIANCE, 2),
    ] {
        let mut course = enrolled(&platform);
        let refused = exchange(&mut course, Compose::Boot, |body| {
            platform.answer::<BootRequest>(body, BootOutcome::Proceed { next })
        });
        assert_eq!(refused, Err(Refusal::NotGenuine(NotGenuine::Malformed)));
        assert_eq!(course.compose(Compose::Confirm, now(0)), Err(Refusal::Order));
    }
}

#[test]
fn a_share_for_another_appliance_or_boot_does_not_open() {
    let platform = Platform::new();
    let (mut course, boot) = accepted(&platform);
    let other = exchange(&mut course, Compose::Confirm, |body| {
        platform.confirm(&boot, body, ApplianceId([9; 16]))
    });
    assert_eq!(other, Err(Refusal::Share));
    // The key is used up: from here it goes on with a new boot request only.
    assert_eq!(course.compose(Compose::Confirm, now(0)), Err(Refusal::Order));
    let earlier = boot;
    let boot = course.compose(Compose::Boot, now(0)).unwrap();
    let step = course
        .open(Exchange::Boot, &platform.proceed(&boot), now(1))
        .unwrap();
    let _ = course.take(step);
    let replayed = exchange(&mut course, Compose::Confirm, |body| {
        platform.confirm(&earlier, body, APPLIANCE)
    });
    assert_eq!(replayed, Err(Refusal::Share));
    assert!(course.standing().unlocked.is_none());
}

#[test]
fn a_lost_confirmation_is_asked_again() {
    let platform = Platform::new();
    let (mut course, boot) = accepted(&platform);
    course.compose(Compose::Confirm, now(0)).unwrap();
    let answer = exchange(&mut course, Compose::Confirm, |body| {
        platform.confirm(&boot, body, APPLIANCE)
    });
    assert_eq!(answer, Ok(KeeperAnswer::Unlocked));
}

#[test]
fn a_removed_appliance_closes_and_stays_closed() {
    let platform = Platform::new();
    let mut course = serving(&platform);
    let removed = exchange(&mut course, poll(1), |body| {
        platform.answer::<PollRequest>(body, PollOutcome::Refused(BootRefusal::Removed))
    });
    assert_eq!(
        removed,
        Ok(KeeperAnswer::Refused(Refusal::Boot(BootRefusal::Removed)))
    );
    assert_eq!(course.standing().refused, Some(BootRefusal::Removed));
    assert_eq!(course.standing().unlocked, None);
    for compose in [Compose::Boot, Compose::Confirm, Compose::Activate, poll(1)] {
        assert_eq!(course.compose(compose, now(0)), Err(Refusal::Order));
    }
    assert_eq!(
        course.job(&platform.job(APPLIANCE, 9_000), now(0)),
        Err(ScopeRefusal::NotServing)
    );
}

#[test]
fn a_refused_boot_opens_nothing() {
    let platform = Platform::new();
    for why in [
        BootRefusal::Removed,
        BootRefusal::TicketUsed,
        BootRefusal::TicketAhead,
        BootRefusal::Image,
    ] {
        let mut course = enrolled(&platform);
        let refused = exchange(&mut course, Compose::Boot, |body| {
            platform.answer::<BootRequest>(body, BootOutcome::Refused(why))
        });
        assert_eq!(refused, Ok(KeeperAnswer::Refused(Refusal::Boot(why))));
        assert_eq!(course.standing().refused, Some(why));
    }
}

#[test]
fn a_refused_activation_says_why_and_keeps_the_appliance_new() {
    let platform = Platform::new();
    let mut course = with_clock(&platform);
    let refused = exchange(&mut course, Compose::Activate, |body| {
        platform.answer::<ActivateRequest>(body, ActivateOutcome::Refused(ActivateRefusal::UsedToken))
    });
    assert_eq!(refused, Err(Refusal::Activation(ActivateRefusal::UsedToken)));
    assert_eq!(course.standing().enrolled, None);
}

#[test]
fn only_our_jobs_are_done() {
    let (platform, rogue) = (Platform::new(), Platform::new());
    let course = serving(&platform);
    let judged = |job: Signed<Job>| course.job(&job, now(0)).map(|job| job.appliance);
    assert_eq!(judged(platform.job(APPLIANCE, 9_000)), Ok(APPLIANCE));
    assert_eq!(
        judged(platform.job(ApplianceId([9; 16]), 9_000)),
        Err(ScopeRefusal::NotOurs)
    );
    assert_eq!(judged(platform.job(APPLIANCE, 5_000)), Err(ScopeRefusal::Expired));
    assert_eq!(judged(rogue.job(APPLIANCE, 9_000)), Err(ScopeRefusal::NotSigned));
    assert_eq!(
        enrolled(&platform).job(&platform.job(APPLIANCE, 9_000), now(0)),
        Err(ScopeRefusal::NotServing)
    );
}

#[test]
fn a_client_certificate_is_used_after_the_clock_and_the_enrolment_only() {
    let platform = Platform::new();
    let message = [&[b' '; 64][..], b"TLS 1.3, client CertificateVerify\0", &[1; 32]].concat();
    assert_eq!(with_clock(&platform).sign_tls(&message), Err(Refusal::Order));
    assert!(enrolled(&platform).sign_tls(&message).is_ok());
    assert_eq!(enrolled(&platform).sign_tls(b"boot"), Err(Refusal::NotTls));
}

#[test]
fn requests_are_bounded() {
    let platform = Platform::new();
    let mut course = serving(&platform);
    assert_eq!(course.compose(poll(65), now(0)), Err(Refusal::TooMuch));
    let event = Event {
        job: JobId([1; 16]),
        fence: 1,
        what: vedette_protocol::link::What::Started,
    };
    let events = Compose::Events {
        first: 0,
        events: vec![event; EVENTS_PER_REQUEST + 1],
    };
    assert_eq!(course.compose(events, now(0)), Err(Refusal::TooMuch));
}

/// How far a course has come; never less than before.
fn height(course: &Course) -> u8 {
    match &course.stage {
        Stage::New { .. } => u8::from(course.clock_set),
        Stage::Member {
            phase: Phase::Idle, ..
        } => 2,
        Stage::Member { .. } => 3,
        Stage::Serving { .. } => 4,
        Stage::Refused { .. } => 5,
    }
}

/// How a platform answers a request.
type Genuine = fn(&Platform, &[u8]) -> Vec<u8>;

#[derive(Debug, Clone, Copy)]
enum Forgery {
    FlippedBit(usize),
    CutAt(usize),
    OtherKey,
    OtherRequest,
    Garbage,
}

fn forgery() -> impl Strategy<Value = Forgery> {
    prop_oneof![
        any::<usize>().prop_map(Forgery::FlippedBit),
        any::<usize>().prop_map(Forgery::CutAt),
        Just(Forgery::OtherKey),
        Just(Forgery::OtherRequest),
        Just(Forgery::Garbage),
    ]
}

fn forged(forgery: Forgery, body: &[u8], genuine: Genuine, platform: &Platform) -> Vec<u8> {
    let answer = genuine(platform, body);
    match forgery {
        Forgery::FlippedBit(at) => {
            let mut answer = answer;
            let bit = at % (answer.len() * 8);
            answer[bit / 8] ^= 1 << (bit % 8);
            answer
        }
        Forgery::CutAt(at) => answer[..at % answer.len()].to_vec(),
        Forgery::OtherKey => genuine(&Platform::new(), body),
        Forgery::OtherRequest => platform.time(b"another request"),
        Forgery::Garbage => vec![0xff; 64],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No forged answer to any exchange moves the course, whatever was asked before.
    #[test]
    fn no_forged_answer_moves_the_course(forgery in forgery(), stage in 0u8..3) {
        let platform = Platform::new();
        let (mut course, compose, genuine): (Course, Compose, Genuine) = match stage {
            0 => (course(&platform), Compose::Time, |platform, body| platform.time(body)),
            1 => (with_clock(&platform), Compose::Activate, |platform, body| platform.enrol(body)),
            _ => (serving(&platform), poll(1), |platform, body| {
                platform.answer::<PollRequest>(body, PollOutcome::Refused(BootRefusal::Removed))
            }),
        };
        let exchange = compose.exchange();
        let body = course.compose(compose, now(0)).unwrap();
        let before = height(&course);
        let answer = forged(forgery, &body, genuine, &platform);
        prop_assert!(course.open(exchange, &answer, now(1)).is_err());
        prop_assert_eq!(height(&course), before);
    }

    /// Genuine answers, steps dropped and questions in any order: the course never goes back but for the
    /// three messages of a boot, and never serves without each of them.
    #[test]
    fn the_course_only_goes_forward(moves in prop::collection::vec((0u8..5, any::<bool>()), 1..40)) {
        let platform = Platform::new();
        let mut course = course(&platform);
        let mut boot = Vec::new();
        for (which, taken) in moves {
            let compose = match which {
                0 => Compose::Time,
                1 => Compose::Activate,
                2 => Compose::Boot,
                3 => Compose::Confirm,
                _ => poll(1),
            };
            let before = height(&course);
            let exchange = compose.exchange();
            let Ok(body) = course.compose(compose, now(0)) else {
                prop_assert_eq!(height(&course), before);
                continue;
            };
            let answer = match exchange {
                Exchange::Time => platform.time(&body),
                Exchange::Activate => platform.enrol(&body),
                Exchange::Boot => {
                    boot = body.clone();
                    platform.proceed(&body)
                }
                Exchange::Confirm => platform.confirm(&boot, &body, APPLIANCE),
                Exchange::Poll | Exchange::Events | Exchange::Keys => platform.answer::<PollRequest>(&body, serve(vec![])),
            };
            if let Ok(step) = course.open(exchange, &answer, now(1))
                && taken
            {
                let answer = course.take(step);
                prop_assert!(!matches!(answer, KeeperAnswer::Refused(_)), "{answer:?}");
            }
            let after = height(&course);
            prop_assert!(after >= before || (before == 3 && after == 2), "{before} to {after}");
            prop_assert!(after < 4 || before >= 3, "{before} to {after}");
        }
    }
}

#[test]
fn an_unfit_appliance_names_what_it_lacks() {
    let refusal = Refusal::Unfit(Unfit::CommandLine("lockdown=confidentiality".to_owned()));
    assert_eq!(
        refusal.to_string(),
        "this appliance is not fit to start: the kernel's command line lacks lockdown=confidentiality"
    );
}
