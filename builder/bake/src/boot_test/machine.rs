//! Owns the virtual machine: QEMU's arguments, its process and its streams. Must not decide what the
//! guest's console means.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde::Serialize;

use super::error::BootTestError;

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU's translator: works everywhere, some ten times slower.
    Tcg,
}

impl Accelerator {
    /// As people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg => "TCG",
        }
    }

    const fn qemu_arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }
}

/// Everything that a boot needs; the same for the first and the second.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) qemu: PathBuf,
    pub(crate) setpriv: PathBuf,
    pub(crate) firmware_code: PathBuf,
    pub(crate) firmware_variables: PathBuf,
    pub(crate) overlay: PathBuf,
    pub(crate) control_socket: PathBuf,
    /// In `-netdev`'s `guestfwd=` form, or no metadata service.
    pub(crate) forward_command: Option<OsString>,
    pub(crate) uuid: String,
}

/// A piece of what QEMU or the guest said.
#[derive(Debug)]
pub(crate) enum Said {
    /// On the serial console.
    Console(Vec<u8>),
    /// QEMU itself.
    Qemu(Vec<u8>),
    /// The console is closed: QEMU has ended or will at once.
    ConsoleClosed,
}

/// A QEMU that runs. It dies with this value, and with the thread that started it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) said: Receiver<Said>,
    control_socket: PathBuf,
    control: Option<UnixStream>,
}

impl Machine {
    pub(crate) fn start(&self, accelerator: Accelerator) -> Result<Running, BootTestError> {
        let fail = |source| BootTestError::Spawn {
            program: self.qemu.clone(),
            source,
        };
        // QEMU makes it anew and refuses one that is there.
        if let Err(error) = std::fs::remove_file(&self.control_socket)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(fail(error));
        }
        // A process group of its own: Ctrl-C reaches vmimage, which ends QEMU and cleans up. Should
        // vmimage be killed, the kernel kills QEMU.
        let mut child = Command::new(&self.setpriv)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.qemu)
            .args(self.arguments(accelerator))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let (sender, said) = channel();
        if let Some(stdout) = child.stdout.take() {
            pump(
                stdout,
                sender.clone(),
                Said::Console,
                Some(Said::ConsoleClosed),
            );
        }
        if let Some(stderr) = child.stderr.take() {
            pump(stderr, sender, Said::Qemu, None);
        }
        Ok(Running {
            child,
            said,
            control_socket: self.control_socket.clone(),
            control: None,
        })
    }

    /// A machine like EC2's: UEFI, `NVMe`, an entropy device, the serial console, `Amazon EC2` in its DMI
    /// table. The network card is virtio, because QEMU has no ENA.
    fn arguments(&self, accelerator: Accelerator) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&[
            "-no-user-config",
            "-nodefaults",
            "-display",
            "none",
            "-machine",
            "q35",
            "-no-reboot",
        ]);
        add(&accelerator.qemu_arguments());
        add(&["-m", "2048", "-smp", "2", "-serial", "stdio"]);
        add(&[
            "-device",
            "virtio-rng-pci",
            "-device",
            "nvme,drive=disk,bootindex=0,serial=vol0123456789abcdef0",
        ]);
        add(&["-device", "virtio-net-pci,netdev=net"]);
        let smbios = format!(
            "type=1,manufacturer=Amazon EC2,product=m7i.large,uuid={}",
            self.uuid
        );
        add(&["-smbios", &smbios]);
        let mut option = |name: &str, before: &str, path: &Path, after: &str| {
            let mut value = OsString::from(before);
            value.push(escape_commas(path));
            value.push(after);
            arguments.extend([name.into(), value]);
        };
        option(
            "-drive",
            "if=pflash,unit=0,format=raw,readonly=on,file=",
            &self.firmware_code,
            "",
        );
        option(
            "-drive",
            "if=pflash,unit=1,format=raw,file=",
            &self.firmware_variables,
            "",
        );
        // Nothing of the overlay needs to survive a crash of this machine.
        option(
            "-drive",
            "if=none,id=disk,format=qcow2,cache=unsafe,file=",
            &self.overlay,
            "",
        );
        option("-qmp", "unix:", &self.control_socket, ",server=on,wait=off");
        // `restrict` leaves the guest nothing but DHCP and the metadata service.
        let mut network = OsString::from(
            "user,id=net,restrict=on,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15",
        );
        if let Some(command) = &self.forward_command {
            network.push(",guestfwd=tcp:169.254.169.254:80-cmd:");
            network.push(command);
        }
        arguments.extend(["-netdev".into(), network]);
        arguments
    }
}

impl Running {
    /// Presses the power button. When QEMU does not listen, its end is what the caller waits for anyway.
    pub(crate) fn press_power(&mut self) -> io::Result<()> {
        let mut control = UnixStream::connect(&self.control_socket)?;
        control.write_all(
            b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_powerdown\"}\n",
        )?;
        // Closed only with QEMU: it might not read what a closed connection has sent.
        self.control = Some(control);
        Ok(())
    }

    /// Ends QEMU if it runs, and says how it ended.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// How QEMU ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the caller gave up early.
        let _ended = self.kill();
    }
}

/// Reads a stream of QEMU in a thread that ends with it.
fn pump(
    mut stream: impl Read + Send + 'static,
    sender: Sender<Said>,
    wrap: fn(Vec<u8>) -> Said,
    last: Option<Said>,
) {
    std::thread::spawn(move || {
        let mut buffer = [0_u8; 8_192];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    let bytes = buffer.get(..read).unwrap_or(&buffer).to_vec();
                    if sender.send(wrap(bytes)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_closed) => break,
            }
        }
        if let Some(last) = last {
            // Nobody listens any more: the boot is over.
            let _unheard = sender.send(last);
        }
    });
}

/// QEMU splits its options at commas.
fn escape_commas(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut out = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        out.push(byte);
        if byte == b',' {
            out.push(byte);
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Accelerator, Machine};

    #[test]
    fn the_arguments_name_every_part_and_escape_commas() {
        let machine = Machine {
            qemu: PathBuf::from("/usr/bin/qemu-system-x86_64"),
            setpriv: PathBuf::from("/usr/bin/setpriv"),
            firmware_code: PathBuf::from("/f/CODE.fd"),
            firmware_variables: PathBuf::from("/s/VARS.fd"),
            overlay: PathBuf::from("/s/a,b.qcow2"),
            control_socket: PathBuf::from("/s/control"),
            forward_command: Some("'/x/vmimage' 'relay'".into()),
            uuid: "ec2e0000-0000-4000-8000-000000000001".to_owned(),
        };
        let arguments = machine.arguments(Accelerator::Tcg);
        let text = arguments
            .join(std::ffi::OsStr::new("\n"))
            .into_string()
            .unwrap();
        insta::assert_snapshot!(text, @r"
        -no-user-config
        -nodefaults
        -display
        none
        -machine
        q35
        -no-reboot
        -accel
        tcg,thread=multi
        -cpu
        max
        -m
        2048
        -smp
        2
        -serial
        stdio
        -device
        virtio-rng-pci
        -device
        nvme,drive=disk,bootindex=0,serial=vol0123456789abcdef0
        -device
        virtio-net-pci,netdev=net
        -smbios
        type=1,manufacturer=Amazon EC2,product=m7i.large,uuid=ec2e0000-0000-4000-8000-000000000001
        -drive
        if=pflash,unit=0,format=raw,readonly=on,file=/f/CODE.fd
        -drive
        if=pflash,unit=1,format=raw,file=/s/VARS.fd
        -drive
        if=none,id=disk,format=qcow2,cache=unsafe,file=/s/a,,b.qcow2
        -qmp
        unix:/s/control,server=on,wait=off
        -netdev
        user,id=net,restrict=on,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15,guestfwd=tcp:169.254.169.254:80-cmd:'/x/vmimage' 'relay'
        ");
    }
}
