//! The platform dies in the middle of a job: nothing is lost, nothing is there twice.

use serde_json::json;
use vedette_protocol::link::{EventsOutcome, PollOutcome, What};

use super::{
    appliance::Appliance,
    house::House,
    work::{event, finding, scan, shown, whole},
};

#[tokio::test]
async fn a_killed_platform_loses_nothing_and_counts_nothing_twice() {
    let mut house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let scan = scan(
        &house.operator().await,
        &appliance,
        &["192.0.2.1-192.0.2.60"],
        "80",
    )
    .await;
    let jobs = appliance.jobs(&house, &boot, 2).await;
    assert_eq!(jobs.len(), 2);
    let mut spool = Vec::new();
    for job in &jobs {
        spool.push(event(job, What::Started));
        let hosts = job.targets.as_slice()[0].span().unwrap().addresses().take(20);
        spool.extend(hosts.map(|host| event(job, What::Findings(vec![finding(&host.to_string(), 80)]))));
        spool.push(event(job, What::Ended(whole(32))));
    }
    // Each answer but the last is lost with the platform: everything is sent from the start again.
    for sent in [5, 17, 23, 40, spool.len()] {
        house.kill();
        house.serve();
        let goes_on = appliance.poll(&house, &boot, 0, &[&jobs[1]], 0).await;
        assert!(matches!(goes_on, PollOutcome::Serve { stop, .. } if stop.is_empty()));
        let kept = appliance.report(&house, &boot, 0, spool[..sent].to_vec()).await;
        assert_eq!(kept, EventsOutcome::Kept { next: sent as u64 });
        house.kill();
        house.serve();
    }
    let operator = house.operator().await;
    let ended = shown(&operator, &scan).await;
    assert_eq!(
        (ended["state"].as_str(), ended["findings"].as_u64()),
        (Some("complete"), Some(40)),
        "{ended}"
    );
    assert_eq!(ended["jobs_done"], json!(2));
    let found = operator.get("/api/v1/findings?limit=1000").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 40);
    assert!(appliance.jobs(&house, &boot, 4).await.is_empty());
}
