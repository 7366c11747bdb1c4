using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class ReadingRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_primary_image_that_is_mirrored_by_snapshots_is_answered_from_the_reading() =>
        Assert.Equal(InfoSource.Reading, ReadingRules.SourceOf(Listed(), Image(MirrorSnapshotState.Primary)));

    [Fact]
    public void The_newest_mirror_snapshot_tells_the_role()
    {
        Assert.Equal(InfoSource.Reading, ReadingRules.SourceOf(Listed(), Image(MirrorSnapshotState.NonPrimaryDemoted, MirrorSnapshotState.Primary)));
        foreach (var state in Enum.GetValues<MirrorSnapshotState>().Except([MirrorSnapshotState.Primary]))
            Assert.Equal(InfoSource.NotPrimary, ReadingRules.SourceOf(Listed(), Image(MirrorSnapshotState.Primary, state)));
        Assert.Equal(InfoSource.NotPrimary, ReadingRules.SourceOf(Listed(), Image()));
    }

    [Fact]
    public void The_daemons_word_does_not_tell_it()
    {
        var primary = new MirrorSiteStatus("", MirrorStatusState.Stopped, "local image is primary", Now, IsUp: true);
        Assert.Equal(InfoSource.NotPrimary, ReadingRules.SourceOf(Listed(sites: primary), Image(MirrorSnapshotState.PrimaryDemoted)));
        Assert.Equal(InfoSource.Reading, ReadingRules.SourceOf(Listed(sites: primary with { Description = "split-brain", State = MirrorStatusState.Error }), Image(MirrorSnapshotState.Primary)));
    }

    [Fact]
    public void An_image_with_a_journal_is_opened_whatever_its_snapshots_say() =>
        Assert.Equal(InfoSource.Journal, ReadingRules.SourceOf(Listed(), Image(MirrorSnapshotState.Primary) with { Features = ImageFeatures.Layering | ImageFeatures.Journaling }));

    [Fact]
    public void What_is_not_listed_or_is_gone_is_opened()
    {
        Assert.Equal(InfoSource.NotListed, ReadingRules.SourceOf(null, Image(MirrorSnapshotState.Primary)));
        Assert.Equal(InfoSource.NotListed, ReadingRules.SourceOf(Listed(), null));
    }

    [Theory]
    [InlineData(MirrorImageState.Disabled)]
    [InlineData(MirrorImageState.Disabling)]
    [InlineData(MirrorImageState.Creating)]
    public void What_is_being_enabled_or_disabled_is_opened(MirrorImageState state) =>
        Assert.Equal(InfoSource.NotListed, ReadingRules.SourceOf(Listed(state), Image(MirrorSnapshotState.Primary)));

    [Fact]
    public void An_image_on_which_a_site_has_not_reported_is_opened()
    {
        var madeUp = Report with { Description = "status not found", LastUpdate = DateTimeOffset.UnixEpoch };
        MirrorSiteStatus[][] lacking = [[madeUp], [Report, madeUp], [Report, madeUp with { LastUpdate = Now }], [Report, Report with { LastUpdate = DateTimeOffset.UnixEpoch }]];
        Assert.All(lacking, sites => Assert.Equal(InfoSource.NotReported, ReadingRules.SourceOf(Listed(sites: sites), Image(MirrorSnapshotState.Primary))));
        Assert.Equal(InfoSource.NotPrimary, ReadingRules.SourceOf(Listed(sites: madeUp), Image(MirrorSnapshotState.PrimaryDemoted)));
        var none = new ImageReports(new MirrorGlobalStatus("csi-vol-1", new MirrorImageInfo("global", MirrorImageState.Enabled, IsPrimary: false), []), new MirrorSites("site-a", []), []);
        Assert.Equal(InfoSource.NotReported, ReadingRules.SourceOf(none, Image(MirrorSnapshotState.Primary)));
    }

    private static MirrorSiteStatus Report { get; } = new("", MirrorStatusState.Stopped, "local image is primary", Now, IsUp: true);

    private static ImageReports Listed(MirrorImageState state = MirrorImageState.Enabled, params MirrorSiteStatus[] sites) => new(
        new MirrorGlobalStatus("csi-vol-1", new MirrorImageInfo("global", state, IsPrimary: false), sites.Length == 0 ? [Report] : sites), new MirrorSites("site-a", []), []);

    private static StoredImage Image(params MirrorSnapshotState[] states) => new(
        ImageFeatures.Layering,
        new StoredSnapshots([], [.. states.Select((state, i) => new MirrorSnapshot((ulong)i, state, true, "", MirrorSnapshot.NoSnapshot, [], 0, Now))]));
}
