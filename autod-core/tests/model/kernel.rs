//! What the kernel does: locks by open file description, names, queues, and the end of a process.
//!
//! Nothing here knows the protocol.

use crate::state::{
    Client, Conn, DAEMON, Desk, Door, FLIGHT, Life, Listener, Lock, Pc, STARTER, Stage, State,
};

impl State {
    /// Whether somebody's description holds the lock on this generation of `spawn.lock`.
    pub(crate) fn s_is_held(&self, generation: u8) -> bool {
        let held = Lock::Held(generation);
        self.clients.iter().any(|client| client.s == held)
            || self.lives.iter().any(|life| life.s == held)
    }

    /// The life whose description holds the lock on this generation of `life.lock`.
    pub(crate) fn holder_of_a(&self, generation: u8) -> Option<u8> {
        let holds = |life: &Life| life.copies != 0 && life.locked && life.a == generation;
        (0..).zip(&self.lives).find(|(_, life)| holds(life)).map(|(index, _)| index)
    }

    pub(crate) fn free_life(&self) -> Option<u8> {
        (0..).zip(&self.lives).find(|(_, life)| life.desk == Desk::Free).map(|(index, _)| index)
    }

    pub(crate) fn is_open(&self, listener: Listener) -> bool {
        self.life_of(listener.life).open[usize::from(listener.anew)]
    }

    /// Whether a connection to the door would reach a listener.
    pub(crate) fn door_is_open(&self) -> bool {
        matches!(self.door, Door::Leads(listener) if self.is_open(listener))
    }

    /// connect(2), first half: what the path leads to now.
    pub(crate) fn look(&self) -> Door {
        self.door
    }

    /// connect(2), second half: into the queue, unless the listener is gone meanwhile.
    pub(crate) fn join(&mut self, index: usize, listener: Listener) -> bool {
        let open = self.is_open(listener);
        if open {
            let stage = Stage::Queued(listener);
            self.client(index).conn = Conn { stage, life: listener.life, ..Conn::default() };
        }
        open
    }

    /// The callers in the queue of a listener.
    pub(crate) fn queue(&self, listener: Listener) -> impl Iterator<Item = usize> + use<> {
        let clients = self.clients;
        (0..clients.len())
            .filter(move |&index| clients[index].conn.stage == Stage::Queued(listener))
    }

    /// Connections that the daemon has accepted and not closed.
    pub(crate) fn visitors(&self, life: u8) -> usize {
        let open = |client: &&Client| {
            client.conn.life == life
                && !matches!(
                    client.conn.stage,
                    Stage::Absent | Stage::Queued(_) | Stage::Cut | Stage::CutByKill
                )
        };
        self.clients.iter().filter(open).count()
    }

    /// close(2) on a listener by the daemon. Another copy of the first one keeps it open.
    pub(crate) fn close_listener(&mut self, listener: Listener) {
        let life = self.life(listener.life);
        if listener.anew || life.copies & !DAEMON == 0 {
            life.open[usize::from(listener.anew)] = false;
        } else {
            life.left_first = true;
        }
    }

    /// The process of a life ends, by itself or by a kill.
    pub(crate) fn end_process(&mut self, index: u8, killed: bool) {
        let life = self.life(index);
        life.copies &= !(DAEMON | FLIGHT);
        life.desk = Desk::Dead;
        life.s = Lock::Closed;
        life.open[1] = false;
        for client in &mut self.clients {
            let conn = &mut client.conn;
            if conn.life == index
                && !matches!(
                    conn.stage,
                    Stage::Absent | Stage::Queued(_) | Stage::Cut | Stage::CutByKill
                )
            {
                conn.stage = if killed { Stage::CutByKill } else { Stage::Cut };
            }
        }
    }

    /// The process of a caller ends: what it held is closed.
    pub(crate) fn end_client(&mut self, index: usize) {
        let client = self.client(index);
        let starts = client.starts.take();
        (client.s, client.a, client.found, client.met) = (Lock::Closed, 0, Door::Absent, None);
        client.conn = Conn::default();
        if let Some(life) = starts {
            self.drop_starter_copies(life);
        }
    }

    /// The starter closes its copies of A and the listener, or dies.
    pub(crate) fn drop_starter_copies(&mut self, index: u8) {
        let life = self.life(index);
        life.copies &= !STARTER;
        if std::mem::take(&mut life.left_first) {
            life.open[0] = false;
        }
    }

    /// What follows at once from the last step: last copies free locks and cut queues, and what
    /// nobody can tell from nothing is nothing.
    pub(crate) fn settle(&mut self) {
        for index in 0..self.lives.len() {
            let life = &mut self.lives[index];
            if life.copies == 0 {
                life.open[0] = false;
                life.locked = false;
                if life.desk == Desk::Unborn {
                    life.desk = Desk::Dead;
                }
            }
        }
        for index in 0..self.clients.len() {
            if let Stage::Queued(listener) = self.clients[index].conn.stage
                && !self.is_open(listener)
            {
                self.clients[index].conn.stage = Stage::Cut;
            }
            let conn = &mut self.clients[index].conn;
            if matches!(conn.stage, Stage::Cut | Stage::CutByKill) {
                conn.life = 0;
            }
            if matches!(self.clients[index].found, Door::Leads(found) if !self.is_open(found)) {
                self.clients[index].found = Door::Dead;
            }
        }
        if self.door != Door::Absent && !self.door_is_open() {
            self.door = Door::Dead;
        }
        for index in 0..self.lives.len() {
            let number = u8::try_from(index).unwrap_or(u8::MAX);
            let life = &self.lives[index];
            let referred = self
                .clients
                .iter()
                .any(|client| client.starts == Some(number) || client.met == Some(number));
            if life.desk == Desk::Dead && life.copies == 0 {
                let dead = Life { desk: Desk::Dead, status: life.status, ..Life::default() };
                self.lives[index] = if referred { dead } else { Life::default() };
            }
        }
        for client in &mut self.clients {
            if matches!(client.pc, Pc::Ended(_)) {
                client.warned = false;
            }
        }
    }
}
