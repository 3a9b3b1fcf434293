//! What the market releases to suppliers: 300,000,000 $IO over 240 months, one block an hour (rules A2 to A6).
//!
//! Month m emits `⌊10^15 / 3 · f^(m−1)⌋` base units: a twelfth of 8 % of 500 million $IO, falling by the factor f each month. The months
//! are a table, so that no program computes powers. The last month takes what rounding left, so the sum is exact.

use crate::units::Amount;

/// Seconds of a block.
pub const BLOCK_SECONDS: i64 = 3_600;
/// Hours of a day.
const DAY: u32 = 24;
/// Months with an emission.
pub const MONTHS: usize = 240;

/// Base units of each month, the first one first.
#[rustfmt::skip]
pub const MONTHLY: [u64; MONTHS] = [
    333_333_333_333_333, 329_949_650_987_449, 326_600_316_560_219, 323_284_981_384_305, 320_003_300_331_707, 316_754_931_777_836,
    313_539_537_565_952, 310_356_782_971_957, 307_206_336_669_554, 304_087_870_695_758, 301_001_060_416_746, 297_945_584_494_073,
    294_921_124_851_213, 291_927_366_640_452, 288_963_998_210_107, 286_030_711_072_089, 283_127_199_869_783, 280_253_162_346_267,
    277_408_299_312_840, 274_592_314_617_880, 271_804_915_116_017, 269_045_810_637_610, 266_314_713_958_544, 263_611_340_770_333,
    260_935_409_650_515, 258_286_642_033_364, 255_664_762_180_887, 253_069_497_154_119, 250_500_576_784_713, 247_957_733_646_813,
    245_440_703_029_214, 242_949_222_907_811, 240_483_033_918_313, 238_041_879_329_251, 235_625_505_015_249, 233_233_659_430_569,
    230_866_093_582_926, 228_522_561_007_568, 226_202_817_741_615, 223_906_622_298_671, 221_633_735_643_676, 219_383_921_168_027,
    217_156_944_664_946, 214_952_574_305_100, 212_770_580_612_464, 210_610_736_440_439, 208_472_816_948_198, 206_356_599_577_285,
    204_261_864_028_447, 202_188_392_238_696, 200_135_968_358_614, 198_104_378_729_880, 196_093_411_863_028, 194_102_858_415_433,
    192_132_511_169_516, 190_182_165_011_172, 188_251_616_908_421, 186_340_665_890_270, 184_449_113_025_791, 182_576_761_403_413,
    180_723_416_110_425, 178_888_884_212_684, 177_072_974_734_528, 175_275_498_638_901, 173_496_268_807_670, 171_735_100_022_146,
    169_991_808_943_806, 168_266_214_095_202, 166_558_135_841_074, 164_867_396_369_648, 163_193_819_674_125, 161_537_231_534_359,
    159_897_459_498_722, 158_274_332_866_149, 156_667_682_668_372, 155_077_341_652_326, 153_503_144_262_740, 151_944_926_624_901,
    150_402_526_527_599, 148_875_783_406_236, 147_364_538_326_113, 145_868_633_965_883, 144_387_914_601_177, 142_922_226_088_392,
    141_471_415_848_643, 140_035_332_851_881, 138_613_827_601_168, 137_206_752_117_120, 135_813_959_922_496, 134_435_306_026_953,
    133_070_646_911_952, 131_719_840_515_819, 130_382_746_218_951, 129_059_224_829_184, 127_749_138_567_300, 126_452_351_052_684,
    125_168_727_289_127, 123_898_133_650_772, 122_640_437_868_206, 121_395_509_014_688, 120_163_217_492_520, 118_943_435_019_558,
    117_736_034_615_855, 116_540_890_590_443, 115_357_878_528_250, 114_186_875_277_146, 113_027_758_935_125, 111_880_408_837_615,
    110_744_705_544_912, 109_620_530_829_755, 108_507_767_665_010, 107_406_300_211_492, 106_316_013_805_905, 105_236_794_948_906,
    104_168_531_293_288, 103_111_111_632_287, 102_064_425_888_003, 101_028_365_099_943, 100_002_821_413_677, 98_987_688_069_609,
    97_982_859_391_866, 96_988_230_777_296, 96_003_698_684_577, 95_029_160_623_441, 94_064_515_144_004, 93_109_661_826_204,
    92_164_501_269_346, 91_228_935_081_759, 90_302_865_870_550, 89_386_197_231_463, 88_478_833_738_850, 87_580_680_935_730,
    86_691_645_323_962, 85_811_634_354_507, 84_940_556_417_797, 84_078_320_834_196, 83_224_837_844_561, 82_380_018_600_900,
    81_543_775_157_120, 80_716_020_459_872, 79_896_668_339_492, 79_085_633_501_027, 78_282_831_515_355, 77_488_178_810_402,
    76_701_592_662_436, 75_922_991_187_457, 75_152_293_332_674, 74_389_418_868_067, 73_634_288_378_034, 72_886_823_253_124,
    72_146_945_681_857, 71_414_578_642_617, 70_689_645_895_642, 69_972_071_975_081, 69_261_782_181_140, 68_558_702_572_308,
    67_862_759_957_656, 67_173_881_889_221, 66_491_996_654_462, 65_817_033_268_795, 65_148_921_468_205, 64_487_591_701_929,
    63_832_975_125_218, 63_185_003_592_169, 62_543_609_648_630, 61_908_726_525_183, 61_280_288_130_184, 60_658_229_042_894,
    60_042_484_506_659, 59_432_990_422_175, 58_829_683_340_811, 58_232_500_458_008, 57_641_379_606_739, 57_056_259_251_036,
    56_477_078_479_586, 55_903_776_999_391, 55_336_295_129_488, 54_774_573_794_739, 54_218_554_519_681, 53_668_179_422_439,
    53_123_391_208_696, 52_584_133_165_737, 52_050_349_156_538, 51_521_983_613_924, 50_998_981_534_786, 50_481_288_474_354,
    49_968_850_540_530, 49_461_614_388_275, 48_959_527_214_062, 48_462_536_750_371, 47_970_591_260_254, 47_483_639_531_947,
    47_001_630_873_539, 46_524_515_107_696, 46_052_242_566_434, 45_584_764_085_953, 45_122_031_001_516, 44_663_995_142_385,
    44_210_608_826_805, 43_761_824_857_041, 43_317_596_514_464, 42_877_877_554_688, 42_442_622_202_756, 42_011_785_148_374,
    41_585_321_541_197, 41_163_186_986_157, 40_745_337_538_841, 40_331_729_700_919, 39_922_320_415_615, 39_517_067_063_224,
    39_115_927_456_675, 38_718_859_837_141, 38_325_822_869_690, 37_936_775_638_983, 37_551_677_645_015, 37_170_488_798_898,
    36_793_169_418_688, 36_419_680_225_255, 36_049_982_338_192, 35_684_037_271_770, 35_321_806_930_931, 34_963_253_607_321,
    34_608_339_975_363, 34_257_029_088_378, 33_909_284_374_732, 33_565_069_634_031, 33_224_349_033_354, 32_887_087_103_521,
    32_553_248_735_402, 32_222_799_176_261, 31_895_704_026_138, 31_571_929_234_269, 31_251_441_095_543, 30_934_206_246_988,
    30_620_191_664_302, 30_309_364_658_416, 30_001_692_872_087, 29_697_144_276_533, 29_395_687_168_098, 29_097_290_165_076,
];

/// Number, counted from 1970, of the hour that begins at `start` (unix seconds); `None` when no hour begins then.
pub fn number(start: i64) -> Option<u32> {
    let seconds = u64::try_from(start).ok().filter(|seconds| seconds % BLOCK_SECONDS as u64 == 0)?;
    u32::try_from(seconds / BLOCK_SECONDS as u64).ok()
}

/// Number of the hour that `now` lies in; `None` before 1970.
pub fn number_of(now: i64) -> Option<u32> {
    let seconds = u64::try_from(now).ok()?;
    u32::try_from(seconds / BLOCK_SECONDS as u64).ok()
}

/// Start of the hour that `now` lies in, unix seconds.
pub fn start_of(now: i64) -> i64 {
    now.saturating_sub(now.rem_euclid(BLOCK_SECONDS))
}

/// Where an hour lies in the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Months since January 1970.
    pub month: u32,
    /// Hours since the month began.
    pub index: u32,
    /// Hours of the month.
    pub of: u32,
}

impl Hour {
    /// The hour that begins at `start` (unix seconds); `None` before 1970, after the year 9999, and when no hour begins then.
    pub fn of(start: i64) -> Option<Self> {
        let hours = number(start)?;
        let (month, day, days) = civil(hours / DAY)?;
        Some(Self {
            month,
            index: day * DAY + hours % DAY,
            of: days * DAY,
        })
    }
}

/// For a day counted from 1 January 1970: its month counted from January 1970, its place in that month, and the days of that month.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`): years begin in March, so that the leap day is the
/// last.
fn civil(days: u32) -> Option<(u32, u32, u32)> {
    const DAYS_TO_1970: u32 = 719_468;
    const ERA: u32 = 146_097;
    if days > 2_932_896 {
        return None;
    }
    let day = days + DAYS_TO_1970;
    let (era, of_era) = (day / ERA, day % ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is 0.
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5;
    let month = (march_month + 2) % 12;
    let year = year_of_era + era * 400 + u32::from(month < 2);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 => 28 + u32::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    Some(((year - 1970) * 12 + month, day, days))
}

/// Emission of this hour's block when the first month is `genesis` (months since January 1970): the month's emission divided by its hours,
/// rounded down; the month's last block takes the remainder (A5). Zero outside the 240 months.
pub fn block(genesis: u32, hour: Hour) -> Amount {
    let month = hour.month.checked_sub(genesis).map(|month| month as usize);
    let Some(emission) = month.and_then(|month| MONTHLY.get(month)) else {
        return Amount::ZERO;
    };
    let hours = u64::from(hour.of).max(1);
    let last = hour.index.saturating_add(1) == hour.of;
    let each = emission / hours;
    Amount(if last { each.saturating_add(emission % hours) } else { each })
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    /// Digits of f behind the point: 0.98984….
    const FACTOR: &str = "9898489529623495163521151973357901461";

    #[test]
    fn the_table_is_the_published_curve() {
        let factor: BigUint = FACTOR.parse().unwrap();
        let scale = BigUint::from(10u32).pow(37);
        let (mut numerator, mut denominator) = (BigUint::from(10u64.pow(15)), BigUint::from(3u32));
        for (month, emission) in MONTHLY.iter().enumerate() {
            let exact = &numerator / &denominator;
            let remainder = if month == MONTHS - 1 { 125u32 } else { 0 };
            assert_eq!(BigUint::from(*emission), exact + remainder, "month {}", month + 1);
            numerator *= &factor;
            denominator *= &scale;
        }
        let published = [
            (1, 333_333_333_333_333),
            (2, 329_949_650_987_449),
            (3, 326_600_316_560_219),
            (9, 307_206_336_669_554),
            (12, 297_945_584_494_073),
            (24, 263_611_340_770_333),
            (120, 98_987_688_069_609),
            (240, 29_097_290_164_951 + 125),
        ];
        for (month, emission) in published {
            assert_eq!(MONTHLY[month - 1], emission, "month {month}");
        }
    }

    #[test]
    fn an_hour_starts_before_every_moment_in_it() {
        for (now, start) in [(0, 0), (3_599, 0), (3_600, 3_600), (7_300, 7_200), (-1, -3_600)] {
            assert_eq!(start_of(now), start);
        }
    }

    #[test]
    fn every_hour_of_240_months_adds_up_to_300_million() {
        // June 2024, the first month of the token, and a genesis whose months meet other leap years.
        for (year, month) in [(2024, 5), (1970, 0), (2095, 11)] {
            let genesis = (year - 1970) * 12 + month;
            let mut sum = 0u64;
            let (mut first, mut blocks) = (None, 0u32);
            for hour in 0..3_000_000i64 {
                let hour = Hour::of(hour * BLOCK_SECONDS).unwrap();
                let block = block(genesis, hour);
                sum += block.0;
                if block.0 > 0 {
                    first = first.or(Some(hour));
                    blocks += 1;
                }
            }
            let expected = Hour {
                month: genesis,
                index: 0,
                of: first.unwrap().of,
            };
            assert_eq!((sum, first), (30_000_000_000_000_000, Some(expected)), "{year}");
            assert!((174_000..176_000).contains(&blocks), "{blocks}: twenty years of hours");
        }
    }

    #[test]
    fn a_published_block() {
        // March, with 744 hours, as the ninth month.
        let march = Hour {
            month: 100,
            index: 0,
            of: 744,
        };
        assert_eq!(block(92, march), Amount(412_911_742_835));
        let last = Hour { index: 743, ..march };
        assert_eq!(block(92, last), Amount(412_911_742_835 + 307_206_336_669_554 % 744));
        let after = Hour { month: 92 + 240, ..march };
        assert_eq!((block(101, march), block(92, after)), (Amount::ZERO, Amount::ZERO));
    }

    #[test]
    fn the_calendar_is_the_gregorian_one() {
        let table = [
            // 1 January 1970, 29 February 2024, 28 February 2100 (no leap year), 29 February 2000, 31 December 2026, each at an hour.
            (0, 0, 0, 744),
            (1_709_164_800 + 5 * 3_600, 54 * 12 + 1, 28 * 24 + 5, 696),
            (4_107_456_000, 130 * 12 + 1, 27 * 24, 672),
            (951_782_400 + 23 * 3_600, 30 * 12 + 1, 28 * 24 + 23, 696),
            (1_798_675_200, 56 * 12 + 11, 30 * 24, 744),
        ];
        for (start, month, index, of) in table {
            assert_eq!(Hour::of(start), Some(Hour { month, index, of }), "{start}");
        }
        assert_eq!(
            (Hour::of(-3_600), Hour::of(1), Hour::of(i64::MAX / 3_600 * 3_600)),
            (None, None, None)
        );
        // Every month follows the one before without a gap.
        let mut before = Hour::of(0).unwrap();
        for hour in 1..2_000_000i64 {
            let now = Hour::of(hour * BLOCK_SECONDS).unwrap();
            let next = match before.index + 1 == before.of {
                true => (before.month + 1, 0),
                false => (before.month, before.index + 1),
            };
            assert_eq!((now.month, now.index), next);
            before = now;
        }
    }
}
