/// Numbers from a seed, so that a schedule can be repeated.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to less than `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Other dice, whose numbers have nothing to do with these.
    pub fn fork(&mut self) -> Self {
        Self(self.roll(1 << 31) << 31 ^ self.roll(1 << 31))
    }
}
