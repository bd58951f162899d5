//! What comes and goes while the config stays: addresses, days, interfaces, and programs on these.

use anyhow::Result;
use jiff::{Timestamp, Zoned};
use tracing::{error, info, warn};

use super::{Daemon, addresses, lever};
use crate::dataplane::{
    attach::{self, Plan, Remark, Topic},
    bind::{self, Bound, bind},
    hook::{Role, attached},
    interface::devices,
    maps::Pinned,
    swap,
};

impl Daemon {
    /// Looks what has changed, and does what that asks for.
    pub(super) async fn follow(&mut self) {
        lever::expire(&self.places);
        self.clock.look();
        let complaint = match self.try_follow().await {
            Ok(()) => None,
            Err(fault) => Some(format!("{fault:#}")),
        };
        if let Some(complaint) = complaint.as_ref().filter(|_| complaint != self.complaint) {
            error!("{complaint}");
        }
        self.complaint = complaint;
    }

    async fn try_follow(&mut self) -> Result<()> {
        self.look_at_trial().await;
        let own = addresses::own().await?;
        let today = Zoned::now().date();
        let Some(force) = &self.force else {
            return Ok(());
        };
        if self.on_trial.is_some() {
            // The other half of the tables is the one to go back to.
        } else if own != force.own {
            info!("the gateway's addresses have changed");
            self.renew(own, today)?;
        } else if today != force.today {
            match today < force.today {
                true => info!("it is {today} again: rules that had ended hold once more"),
                false => info!("it is {today}: rules that ended do not hold any more"),
            }
            self.renew(own, today)?;
        }
        self.proxy.keep(&self.places.state_dir).await;
        self.follow_interfaces().await?;
        self.look_at_forwarding()
    }

    /// Attaches to what has come, lets go of what has gone, and puts back what was taken off.
    async fn follow_interfaces(&mut self) -> Result<()> {
        let Some(force) = &self.force else {
            return Ok(());
        };
        let needs = self.needs;
        let pin_dir = self.places.pin_dir.clone();
        let pinned = attached(&pin_dir)?;
        let bound = bind(&force.config.gateway.lan, &devices().await?, &pinned);
        let lost = attach::lost(&mut self.loaded, &pin_dir, &bound, needs).await?;
        let before = bind::indices(&self.bound);
        let now = bind::indices(&bound);
        if now != before {
            // Groups must know the interface before its first packet is judged.
            let number = self.past.in_force;
            let membership = &force.generation.membership;
            swap::fill_places(Pinned(&pin_dir), number, membership, &now)?;
            if let Some(trial) = &self.on_trial {
                trial.fill_places(Pinned(&pin_dir), &now)?;
            }
        }
        for one in &bound {
            let lost: Vec<Role> = roles_of(&lost, &one.name);
            if !lost.is_empty() {
                let is_new = !before.iter().any(|known| is_same(known, one));
                self.attach_one(one, &lost, is_new);
            }
        }
        if now != before || !lost.is_empty() {
            attach::let_go(&pin_dir, &bound, needs)?;
            self.keep_running();
        }
        self.take_bound(bound);
        Ok(())
    }

    /// Attaches to one interface; what goes wrong there holds up no other one.
    fn attach_one(&mut self, one: &Bound, lost: &[Role], is_new: bool) {
        let plan = Plan {
            bound: std::slice::from_ref(one),
            choice: self.options.choice,
            needs: self.needs,
            force: self.options.force,
        };
        let name = &one.name;
        let remark = |topic, text: String| Remark {
            interface: name.clone(),
            topic,
            text,
        };
        match attach::attach(&mut self.loaded, &self.places.pin_dir, plan) {
            Ok(mut remarks) => {
                if is_new {
                    info!("{name} is there: attached");
                } else {
                    let text = format!("{} was taken off, and is put back", named(lost));
                    warn!("{name}: {text}");
                    remarks.push(remark(Topic::Restored, text));
                }
                remarks.push(remark(Topic::Failed, String::new()));
                self.remark(remarks);
            }
            Err(fault) => {
                let fault = anyhow::Error::from(fault);
                let text = format!("NOT FILTERED: {fault:#}");
                if self.remark(vec![remark(Topic::Failed, text)]) {
                    error!("{name}: {fault:#}");
                }
            }
        }
    }

    /// Notes remarks for `status`; tells whether any is new.
    pub(super) fn remark(&mut self, remarks: Vec<Remark>) -> bool {
        let now = Timestamp::now();
        let taken = remarks
            .into_iter()
            .map(|remark| self.remarks.take(remark, now));
        let is_new = taken.fold(false, |any, new| any | new);
        if let Err(fault) = self.remarks.write(&self.places.state_dir) {
            warn!("cannot note what is remarkable about interfaces: {fault}");
        }
        is_new
    }

    /// Notes which devices the interfaces are now, and tells what has changed.
    pub(super) fn take_bound(&mut self, bound: Vec<Bound>) {
        let mut remarks = Vec::new();
        for one in &bound {
            let before = self.bound.iter().find(|before| before.name == one.name);
            remarks.push(port(one));
            if before.is_some_and(|before| before.device == one.device) {
                continue;
            }
            let name = &one.name;
            match &one.device {
                None => warn!(
                    "waiting for {name}: there is no such interface, and nothing is filtered there"
                ),
                Some(device) if device.name != *name => {
                    info!(
                        "{name} is called {} now, and filtered as before",
                        device.name
                    );
                }
                Some(_) => {}
            }
        }
        self.remark(remarks);
        self.bound = bound;
    }
}

/// Says of a port of a bridge that its bridge should be named.
fn port(one: &Bound) -> Remark {
    let is_port = one
        .device
        .as_ref()
        .is_some_and(|device| device.controller.is_some());
    let text = "a port of a bridge, bond or team: frames between ports are judged as well; name the bridge to judge only what is routed";
    Remark {
        interface: one.name.clone(),
        topic: Topic::Port,
        text: if is_port {
            text.to_owned()
        } else {
            String::new()
        },
    }
}

fn is_same((name, index): &(String, u32), one: &Bound) -> bool {
    let device = one.device.as_ref();
    *name == one.name && device.is_some_and(|device| device.index == *index)
}

fn roles_of(lost: &[(String, Role)], name: &str) -> Vec<Role> {
    let of_interface = lost.iter().filter(|(of, _)| of == name);
    of_interface.map(|(_, role)| *role).collect()
}

/// What the programs of roles do, for messages.
fn named(roles: &[Role]) -> String {
    let names = roles.iter().map(|role| match role {
        Role::Judge => "the program that judges",
        Role::Steer => "the program that steers",
        Role::Divert => "the program for DNS over TCP",
        Role::Learn => "the program that learns",
    });
    names.collect::<Vec<_>>().join(", ")
}
