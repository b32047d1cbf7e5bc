//! Boots that never took place: what the watch does at each moment.

use std::time::Duration;

use super::{Next, Watch};
use crate::boot_test::console::ConsoleEvent;
use crate::boot_test::machine::Accelerator;
use crate::boot_test::report::Ending;

const LIMIT: u64 = 300;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn watch(accelerator: Accelerator) -> Watch {
    Watch::new(accelerator, secs(LIMIT))
}

fn kernel() -> ConsoleEvent {
    ConsoleEvent::Kernel {
        release: "6.12".to_owned(),
    }
}

fn fact(key: &str, value: &str) -> ConsoleEvent {
    ConsoleEvent::Fact {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn stop(ending: Ending) -> Next {
    Next::Stop(ending)
}

fn timed_out(waiting_for: &str) -> Next {
    stop(Ending::TimedOut {
        waiting_for: waiting_for.to_owned(),
    })
}

fn kvm_failed(reason: &str) -> Ending {
    Ending::AcceleratorFailed {
        reason: reason.to_owned(),
    }
}

#[test]
fn kvm_that_does_not_work_is_noticed() {
    let silent = watch(Accelerator::Kvm);
    assert_eq!(silent.next(secs(9), false), Next::Listen);
    assert_eq!(
        silent.next(secs(10), false),
        stop(kvm_failed("the firmware said nothing for 10 s"))
    );

    let mut stuck = watch(Accelerator::Kvm);
    stuck.on_output(secs(1));
    assert_eq!(stuck.next(secs(59), false), Next::Listen);
    assert_eq!(
        stuck.next(secs(60), false),
        stop(kvm_failed("the kernel did not start within 60 s"))
    );

    let mut broken = watch(Accelerator::Kvm);
    broken.on_qemu(b"qemu-system-x86_64: warning: host doesn't support requested feature\n");
    broken.on_qemu(b"KVM internal error. Suberror: 1\nextra data[0]: 0x1\n");
    assert_eq!(
        broken.next(secs(0), false),
        stop(kvm_failed("KVM internal error. Suberror: 1"))
    );

    let mut aborted = watch(Accelerator::Kvm);
    aborted.on_qemu(b"qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\n");
    assert_eq!(
        aborted.on_end(false, "signal: 6 (SIGABRT)"),
        kvm_failed("signal: 6 (SIGABRT): error: failed to set MSR 0x10a to 0x69")
    );
    // A triple fault resets the guest, which ends QEMU without an error.
    assert_eq!(
        watch(Accelerator::Kvm).on_end(true, "exit status: 0"),
        kvm_failed("exit status: 0")
    );
}

#[test]
fn tcg_is_given_its_time() {
    let mut boot = watch(Accelerator::Tcg);
    assert_eq!(boot.next(secs(299), false), Next::Listen);
    assert_eq!(boot.next(secs(300), false), timed_out("the firmware"));
    boot.on_output(secs(8));
    assert_eq!(boot.next(secs(300), false), timed_out("the kernel"));
    assert_eq!(
        boot.on_event(kernel(), secs(16)),
        Some("kernel 6.12 started".to_owned())
    );
    assert_eq!(boot.on_event(kernel(), secs(17)), None);
    assert_eq!(boot.next(secs(300), false), timed_out("multi-user.target"));
    boot.on_event(ConsoleEvent::MultiUser, secs(20));
    assert_eq!(boot.next(secs(300), false), timed_out("a login prompt"));
    assert_eq!(
        (
            boot.stages.firmware,
            boot.stages.kernel,
            boot.stages.multi_user
        ),
        (Some(8_000), Some(16_000), Some(20_000))
    );
}

#[test]
fn an_image_without_the_launcher_is_switched_off() {
    let mut boot = watch(Accelerator::Tcg);
    boot.on_event(ConsoleEvent::Login, secs(40));
    assert_eq!(boot.next(secs(99), false), Next::Listen);
    assert_eq!(boot.next(secs(100), false), Next::PressPower);
    // The launcher asked for user data: its report is waited for.
    assert_eq!(boot.next(secs(100), true), Next::Listen);
    assert_eq!(boot.next(secs(300), true), Next::PressPower);
    boot.on_pressed(secs(100));
    assert_eq!(boot.next(secs(219), false), Next::Listen);
    assert_eq!(
        boot.next(secs(220), false),
        timed_out("the power to go off")
    );
    assert_eq!(boot.on_end(true, "exit status: 0"), Ending::PoweredOff);
}

#[test]
fn a_report_counts_when_it_is_whole() {
    let mut boot = watch(Accelerator::Tcg);
    assert_eq!(boot.on_event(fact("end", "3"), secs(50)), None);
    assert_eq!(
        boot.on_event(fact("failed-unit", "a.service"), secs(50)),
        None
    );
    assert_eq!(
        boot.on_event(fact("failed-unit", "a.service"), secs(50)),
        None
    );
    assert_eq!(
        boot.on_event(fact("failed-unit", "b.service"), secs(50)),
        None
    );
    assert_eq!(
        boot.on_event(fact("launch", "success"), secs(51)),
        Some("report of 3 facts received".to_owned())
    );
    assert_eq!(boot.on_event(fact("launch", "success"), secs(52)), None);
    assert_eq!(boot.stages.report, Some(51_000));
    assert_eq!(boot.next(secs(170), true), Next::Listen);
    assert_eq!(boot.next(secs(171), true), timed_out("the power to go off"));
    assert_eq!(boot.on_end(true, "exit status: 0"), Ending::PoweredOff);
}

#[test]
fn ends_that_nobody_asked_for() {
    let mut boot = watch(Accelerator::Tcg);
    boot.on_event(kernel(), secs(16));
    assert_eq!(
        boot.on_end(true, "exit status: 0"),
        Ending::Stopped {
            status: "exit status: 0".to_owned()
        }
    );
    boot.on_qemu(b"qemu-system-x86_64: terminating on signal 15\n");
    assert_eq!(
        boot.on_end(false, "exit status: 1"),
        Ending::Stopped {
            status: "exit status: 1: terminating on signal 15".to_owned()
        }
    );
    boot.on_event(ConsoleEvent::PowerDown, secs(20));
    assert_eq!(boot.on_end(true, "exit status: 0"), Ending::PoweredOff);
}

#[test]
fn what_cannot_go_on_is_given_up() {
    let panic = ConsoleEvent::Panic {
        line: "not syncing: no init".to_owned(),
    };
    for (event, reason) in [
        (panic, "kernel panic: not syncing: no init"),
        (ConsoleEvent::Emergency, "systemd stopped in emergency mode"),
        (
            ConsoleEvent::NothingToBoot,
            "the firmware found nothing to boot",
        ),
    ] {
        let given_up = Ending::GaveUp {
            reason: reason.to_owned(),
        };
        for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
            let mut boot = watch(accelerator);
            boot.on_output(secs(1));
            boot.on_event(event.clone(), secs(5));
            assert_eq!(boot.next(secs(5), false), Next::Listen);
            assert_eq!(boot.next(secs(6), false), stop(given_up.clone()));
            assert_eq!(boot.on_end(true, "exit status: 0"), given_up);
        }
    }
}
