//! One interface: which hooks its programs are at, and how they come there.

use std::path::Path;

use aya::programs::loaded_programs;
use tracing::warn;

use super::{AttachError, Plan, Topic, detach_one, foreign, side};
use crate::dataplane::{
    hook::{Attached, Hook, Role},
    interface::{Device, Layer},
    load::Loaded,
};

/// An interface that programs are put on.
pub(super) struct Site<'a> {
    pub(super) loaded: &'a mut Loaded,
    pub(super) pin_dir: &'a Path,
    /// As the config names it.
    pub(super) name: &'a str,
    pub(super) device: &'a Device,
    /// Whether XDP programs of others are replaced.
    pub(super) force: bool,
    /// What the administrator should know.
    pub(super) remarks: Vec<(Topic, String)>,
}

impl Site<'_> {
    /// Attaches all that the interface needs.
    pub(super) fn attach(
        &mut self,
        plan: Plan<'_>,
        before: &[Attached],
    ) -> Result<(), AttachError> {
        // Learning begins before judging, so that no answer is missed that a verdict would need, and
        // steering behind it, since what is marked must have been judged.
        self.settle(plan, Role::Learn, before)?;
        let judged = self.settle(plan, Role::Judge, before)?;
        if self.device.layer == Layer::Ip {
            let why = "judged at TC ingress: its packets have no Ethernet header";
            self.remarks.push((Topic::Judged, why.to_owned()));
        }
        if plan.needs.steers && judged.is_xdp() {
            self.settle(plan, Role::Steer, before)?;
        }
        if plan.needs.diverts {
            self.settle(plan, Role::Divert, before)?;
        }
        Ok(())
    }

    /// Fills one role, and tells by which hook.
    fn settle(
        &mut self,
        plan: Plan<'_>,
        role: Role,
        before: &[Attached],
    ) -> Result<Hook, AttachError> {
        let hooks = plan.choice.hooks(role, self.device.layer);
        let of_role = |old: &&Attached| old.index == self.device.index && old.hook.role() == role;
        let (chosen, others): (Vec<_>, Vec<_>) = before
            .iter()
            .filter(of_role)
            .partition(|old| hooks.contains(&old.hook));
        for old in &chosen {
            let program = self.loaded.program(old.hook, self.device.layer)?;
            if side::take_over(program, self.pin_dir, old)? {
                let stale = chosen.iter().filter(|other| other != &old);
                self.detach(stale.chain(&others).copied())?;
                return Ok(old.hook);
            }
        }
        // The kernel has one hook of XDP an interface.
        let needs_room = hooks.iter().any(|hook| hook.is_xdp());
        let (in_the_way, others): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|old| needs_room && old.hook.is_xdp());
        self.detach(in_the_way.iter().copied())?;
        let attached = self.attach_by(&hooks);
        match attached {
            Ok(_) => self.detach(others.iter().copied())?,
            Err(_) => {
                for old in in_the_way {
                    let program = self.loaded.program(old.hook, self.device.layer)?;
                    side::attach(program, self.pin_dir, old)?;
                }
            }
        }
        attached
    }

    fn detach<'a>(&self, olds: impl Iterator<Item = &'a Attached>) -> Result<(), AttachError> {
        for old in olds {
            detach_one(self.pin_dir, old)?;
        }
        Ok(())
    }

    /// Tries hooks in their order, until the program is at one.
    fn attach_by(&mut self, hooks: &[Hook]) -> Result<Hook, AttachError> {
        let mut why = Vec::new();
        let mut last = None;
        for hook in hooks {
            match self.attach_at(*hook) {
                Ok(()) => {
                    self.remark_on(*hook, &why);
                    return Ok(*hook);
                }
                Err(fault) => {
                    if !may_fit_elsewhere(&fault) {
                        return Err(fault);
                    }
                    why.push(told(&fault));
                    last = Some(fault);
                }
            }
        }
        Err(last.unwrap_or_else(|| AttachError::Occupied {
            interface: self.name.to_owned(),
            by: String::new(),
        }))
    }

    fn attach_at(&mut self, hook: Hook) -> Result<(), AttachError> {
        let at = self.at(hook);
        let program = self.loaded.program(hook, self.device.layer)?;
        match side::attach(program, self.pin_dir, &at) {
            Err(AttachError::Occupied { .. }) if self.force => self.replace(hook),
            Err(AttachError::Occupied { interface, .. }) => Err(AttachError::Occupied {
                interface,
                by: self.occupants(),
            }),
            done => done,
        }
    }

    /// Puts our program in the place of somebody else's XDP program.
    fn replace(&mut self, hook: Hook) -> Result<(), AttachError> {
        let by = self.occupants();
        let at = self.at(hook);
        if foreign::take_link(self.pin_dir, &at, &self.device.xdp)? {
            let program = self.loaded.program(hook, self.device.layer)?;
            side::take_over(program, self.pin_dir, &at)?;
        } else {
            // The kernel exchanges a program without a link for no link: meanwhile TC judges.
            let meanwhile = self.at(Hook::ClsactIngress);
            let program = self.loaded.program(meanwhile.hook, self.device.layer)?;
            side::attach(program, self.pin_dir, &meanwhile)?;
            foreign::clear(&at)?;
            let program = self.loaded.program(hook, self.device.layer)?;
            let done = side::attach(program, self.pin_dir, &at);
            detach_one(self.pin_dir, &meanwhile)?;
            done?;
        }
        warn!(
            "{}: the XDP program{by} of somebody else is replaced",
            self.name
        );
        let what = format!("replaced the XDP program{by} of somebody else");
        self.remarks.push((Topic::Replaced, what));
        Ok(())
    }

    fn at(&self, hook: Hook) -> Attached {
        Attached {
            interface: self.name.to_owned(),
            index: self.device.index,
            hook,
        }
    }

    /// Names and numbers of the XDP programs that are there, behind a space.
    fn occupants(&self) -> String {
        let programs = loaded_programs().filter_map(Result::ok);
        let here = programs.filter(|program| self.device.xdp.contains(&program.id()));
        let named = here.map(|program| {
            let name = program.name_as_str().unwrap_or_default();
            format!(" `{name}` (id {})", program.id())
        });
        named.collect::<Vec<_>>().join(" and")
    }

    /// Says why packets are judged behind the driver, or behind XDP.
    fn remark_on(&mut self, hook: Hook, why: &[String]) {
        if hook.role() != Role::Judge {
            return;
        }
        if why.is_empty() {
            self.remarks.push((Topic::Judged, String::new()));
            return;
        }
        let at = match hook.is_xdp() {
            true => "by generic XDP",
            false => "at TC ingress",
        };
        let mut why = why.to_vec();
        why.dedup();
        let why = why.join("; ");
        warn!("{}: judged {at}: {why}", self.name);
        let what = format!("judged {at}: {why}");
        self.remarks.push((Topic::Judged, what));
    }
}

/// Whether another hook of the interface may take what this one refused.
fn may_fit_elsewhere(fault: &AttachError) -> bool {
    match fault {
        AttachError::Refused { source, .. } => side::may_fit_elsewhere(source),
        AttachError::Occupied { .. } => true,
        _ => false,
    }
}

fn told(fault: &AttachError) -> String {
    let why = anyhow::Chain::new(fault).map(ToString::to_string);
    why.collect::<Vec<_>>().join(": ")
}
