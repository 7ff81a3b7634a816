//! An account that is closed: the vendor hears of it when AWS tells, not at the next sweep.

use std::process::{Command, Stdio};
use std::time::Duration;

use rolekeeper_domain::account::AccountState;
use rolekeeper_simulator::Events;

use crate::harness::Desk;
use crate::vendor::Vendor;

#[test]
fn the_vendor_hears_of_a_closed_account_when_aws_tells() {
    let desk = Desk::with(|settings| {
        settings.accounts = 4;
        settings.drift = 0.0;
        settings.denied = 0.0;
        settings.inactive = 0.0;
        settings.events = Some(Events {
            delay: Duration::from_millis(300),
            lost: 0.0,
            twice: 0.0,
        });
    });
    let world = desk.simulator.world();
    let vendor = Vendor::start();
    let configuration = desk
        .configuration()
        .replace("every = \"5m\"", "every = \"1d\"");
    let queue = world.queue_url().unwrap();
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{configuration}\n[events]\nqueue_url = \"{queue}\"\ngather = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             {}revalidate_url = \"\"\n",
            vendor.settings()
        ),
    );
    let mut child = desk
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let management = world.management_account().unwrap();
    let accounts: Vec<_> = world
        .reachable()
        .into_iter()
        .filter(|account| *account != management)
        .collect();
    for _ in &accounts {
        assert_eq!(vendor.next().call, "POST /cloudaccounts");
    }
    let one = accounts[0];
    assert!(world.set_state(one, AccountState::Closed));
    assert_eq!(vendor.next().call, format!("DELETE /cloudaccounts/{one}"));
    let ended = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(ended.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
