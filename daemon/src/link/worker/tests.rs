use tokio::{net::UnixListener, sync::mpsc};
use vedette_crypto::SigningKey;
use vedette_protocol::{
    ApplianceId, JobId, OrgId, Report, ScanId, Signed,
    finding::{Coverage, Effort},
    job::Checks,
};

use super::*;

fn job(expires: Timestamp) -> Job {
    Job {
        id: JobId([1; 16]),
        scan: ScanId([2; 16]),
        org: OrgId([3; 16]),
        appliance: ApplianceId([4; 16]),
        fence: 5,
        targets: vec!["192.0.2.7".parse().unwrap()].try_into().unwrap(),
        exclude: vec![],
        ports: "80".parse().unwrap(),
        checks: Checks::of_endpoints(),
        login: None,
        web: None,
        expires,
    }
}

/// What is told of a worker that says these bytes and closes.
async fn told_of(bytes: Vec<u8>) -> Vec<What> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("worker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let worker = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut header = [0; Frame::HEADER];
        socket.read_exact(&mut header).await.unwrap();
        let mut order = vec![0; Frame::payload_length(header).unwrap()];
        socket.read_exact(&mut order).await.unwrap();
        codec::decode::<Order>(&order).unwrap();
        let _ = socket.write_all(&bytes).await;
    });
    let job = job(Timestamp::now().after(Duration::from_secs(60)));
    let Ok(signed) = Signed::seal(&job, &SigningKey::generate());
    let order = Order {
        assignment: signed.into(),
        names: vec![],
    };
    let (tell, mut told) = mpsc::channel(64);
    work(&path, &job, order, &tell).await;
    worker.await.unwrap();
    drop(tell);
    let mut all = Vec::new();
    while let Some(event) = told.recv().await {
        assert_eq!((event.job, event.fence), (job.id, job.fence));
        all.push(event.what);
    }
    all
}

fn frames(events: &[WorkerEvent]) -> Vec<u8> {
    events
        .iter()
        .flat_map(|event| Frame::of(event).unwrap().bytes().to_vec())
        .collect()
}

fn report() -> Report {
    Report::close(Effort::default(), Coverage::default(), 0, vec![])
}

#[tokio::test]
async fn a_worker_is_heard_to_its_end() {
    let events = [
        WorkerEvent::Progress(Progress { done: 1, total: 2 }),
        WorkerEvent::Findings(vec![]),
        WorkerEvent::Ended(report()),
    ];
    let told = told_of(frames(&events)).await;
    assert_eq!(told.first(), Some(&What::Started));
    assert_eq!(told.last(), Some(&What::Ended(report())));
}

#[tokio::test]
async fn a_worker_that_ends_without_a_word_has_vanished() {
    let vanished = [What::Started, What::Failed(WorkerFailure::Vanished)];
    assert_eq!(told_of(vec![]).await, vanished);
    let half = frames(&[WorkerEvent::Ended(report())]);
    assert_eq!(told_of(half[..half.len() - 1].to_vec()).await, vanished);
}

#[tokio::test]
async fn a_worker_that_breaks_the_format_has_vanished() {
    let vanished = [What::Started, What::Failed(WorkerFailure::Vanished)];
    for bytes in [
        vec![9; 64],
        vec![1, 0xff, 0xff, 0xff, 0xff],
        vec![1, 2, 0, 0, 0, 99, 99],
    ] {
        assert_eq!(told_of(bytes).await, vanished);
    }
}

#[tokio::test]
async fn no_worker_at_all_is_a_vanished_one() {
    let job = job(Timestamp::now().after(Duration::from_secs(60)));
    let Ok(signed) = Signed::seal(&job, &SigningKey::generate());
    let order = Order {
        assignment: signed.into(),
        names: vec![],
    };
    let (tell, mut told) = mpsc::channel(64);
    work(Path::new("/nowhere/worker.sock"), &job, order, &tell).await;
    assert_eq!(told.recv().await.unwrap().what, What::Started);
    assert_eq!(
        told.recv().await.unwrap().what,
        What::Failed(WorkerFailure::Vanished)
    );
}
