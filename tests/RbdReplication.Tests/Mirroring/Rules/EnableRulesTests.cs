using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Mirroring.Rules;

public sealed class EnableRulesTests
{
    [Fact]
    public void A_call_that_needs_a_mirrored_image_names_what_it_met()
    {
        Allowed(EnableRules.Mirrored(MirrorImageState.Enabled, "v"));
        Refused(ReplicationError.FailedPrecondition, "replication is not enabled for v; enable it first", EnableRules.Mirrored(MirrorImageState.Disabled, "v"));
        Refused(ReplicationError.Busy, "disabling it again finishes it", EnableRules.Mirrored(MirrorImageState.Disabling, "v"));
        Refused(ReplicationError.Busy, "v is in mirroring state \"Creating\"", EnableRules.Mirrored(MirrorImageState.Creating, "v"));
    }

    [Fact]
    public void An_image_that_is_mirrored_in_another_mode_is_not_enabled()
    {
        Allowed(EnableRules.Mode(MirrorImageMode.Journal, MirrorImageMode.Journal));
        Refused(
            ReplicationError.NotConfigured, "it is mirrored in journal mode, and snapshot mode is asked for",
            EnableRules.Mode(MirrorImageMode.Journal, MirrorImageMode.Snapshot));
    }

    [Theory]
    [InlineData(".rbd.csi.ceph.com/encrypted")]
    [InlineData(".rbd.csi.ceph.com/dek")]
    public void A_volume_whose_key_never_reaches_the_peer_is_not_enabled(string key)
    {
        Refused(ReplicationError.NotConfigured, key, EnableRules.Key(new Dictionary<string, string> { [key] = "" }));
        Allowed(EnableRules.Key(new Dictionary<string, string> { [key] = "", [key[1..]] = "" }));
        Allowed(EnableRules.Key(new Dictionary<string, string>()));
    }

    [Fact]
    public void A_volume_of_a_drill_is_not_enabled()
    {
        Refused(ReplicationError.FailedPrecondition, "it belongs to drill q4", EnableRules.NoDrill(new Dictionary<string, string> { [DrillMarks.Name] = "q4" }));
        Allowed(EnableRules.NoDrill(new Dictionary<string, string> { [DrillMarks.Name + ".point"] = "q4", ["rbd.csi.ceph.com/encrypted"] = "encrypted" }));
    }
}
