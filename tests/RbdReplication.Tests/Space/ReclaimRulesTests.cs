using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.Space;

public sealed class ReclaimRulesTests
{
    private static readonly ImageUse Free = new(new MirrorImageInfo("", MirrorImageState.Disabled, false), ImageFeatures.Layering, null, new Dictionary<string, string>());

    private static MirrorImageInfo Mirrored(MirrorImageState state, bool isPrimary) => new("id", state, isPrimary);

    [Fact]
    public void An_image_that_nobody_uses_may_be_reclaimed_where_it_is_primary_or_not_mirrored()
    {
        Assert.Null(ReclaimRules.WhyNot(Free));
        Assert.Null(ReclaimRules.WhyNot(Free with { Mirroring = Mirrored(MirrorImageState.Enabled, isPrimary: true) }));
        Assert.Null(ReclaimRules.WhyNot(Free with { Metadata = new Dictionary<string, string> { [".rbd.csi.ceph.com/encrypted"] = "x" } }));
    }

    [Fact]
    public void An_image_that_is_secondary_in_transition_or_in_use_stays_untouched()
    {
        void Untouched(ImageUse seen, string says) => Assert.Contains(says, ReclaimRules.WhyNot(seen), StringComparison.Ordinal);
        Untouched(Free with { Mirroring = Mirrored(MirrorImageState.Enabled, isPrimary: false) }, "secondary");
        Untouched(Free with { Mirroring = Mirrored(MirrorImageState.Disabling, isPrimary: true) }, "set up or ended");
        Untouched(Free with { Mirroring = Mirrored(MirrorImageState.Creating, isPrimary: false) }, "set up or ended");
        Untouched(Free with { Mirroring = Mirrored(MirrorImageState.Enabled, isPrimary: true), Features = ImageFeatures.NonPrimary }, "cut off");
        Untouched(Free with { User = new ImageWatcher("10.0.0.9:0/1", 4151, 1) }, "client.4151 at 10.0.0.9:0/1 has it open");
        Untouched(Free with { Metadata = new Dictionary<string, string> { [".rbd.csi.ceph.com/userID/x"] = "n" } }, "a node still has the volume");
    }

    [Fact]
    public void Progress_is_reported_in_tenths_and_at_most_twice_a_minute()
    {
        var time = new ManualTime();
        List<int> reports = [];
        var steps = new ProgressSteps(time, TimeSpan.FromSeconds(30), reports.Add);
        // A small image is done at once.
        for (var i = 0; i < 100; i++)
            steps.Take(i / 100.0);
        Assert.Empty(reports);
        time.Advance(TimeSpan.FromSeconds(30));
        steps.Take(0.09);
        steps.Take(0.25);
        steps.Take(0.99);
        Assert.Equal([20], reports);
        time.Advance(TimeSpan.FromSeconds(30));
        steps.Take(0.29);
        steps.Take(0.31);
        Assert.Equal([20, 30], reports);
    }
}
