using RbdReplication.Ceph;
using RbdReplication.Core;
using static RbdReplication.Tests.Mirroring.Rules.Sightings;

namespace RbdReplication.Tests.Groups;

public sealed class GroupRulesTests
{
    private const string Uuid = "0c23de1c-18fb-11eb-a903-0242ac110005";

    private static readonly MemberSighting Fit = new(
        IsInPlace: true, "replicapool of cluster c", ImageFeatures.Layering | ImageFeatures.ExclusiveLock, MirrorImageState.Disabled, IsPrimary: false,
        MirrorImageMode.Snapshot, OtherGroup: null, IsListed: false);

    private static readonly MemberSighting Mirrored = Fit with { State = MirrorImageState.Enabled };

    private static RelocationDecision Member(MemberSighting seen) => GroupRules.Member(seen, "pool of cluster d");

    private static void RefusedMember(string reason, MemberSighting seen) => Refused(ReplicationError.FailedPrecondition, reason, Member(seen));

    [Fact]
    public void A_volume_that_is_not_replicated_and_the_copy_of_one_that_is_can_be_members()
    {
        Allowed(Member(Fit));
        Allowed(Member(Mirrored));
    }

    [Fact]
    public void A_volume_of_another_place_is_refused_with_both_places() =>
        RefusedMember("it is in replicapool of cluster c, and the group in pool of cluster d", Fit with { IsInPlace = false });

    [Fact]
    public void A_volume_of_another_group_is_refused_with_that_group() =>
        RefusedMember("it is in RBD group g, and an image is in one group at most", Fit with { OtherGroup = "g" });

    [Fact]
    public void A_volume_without_exclusive_lock_is_refused_with_what_to_set()
    {
        RefusedMember("add exclusive-lock to imageFeatures of the StorageClass", Fit with { Features = ImageFeatures.Layering });
        RefusedMember("no exclusive-lock", Mirrored with { Features = ImageFeatures.Layering });
    }

    [Fact]
    public void A_volume_that_is_replicated_by_itself_is_refused_and_one_that_is_with_its_group_is_not()
    {
        RefusedMember("it is replicated by itself already; delete its own VolumeReplication first", Mirrored with { IsPrimary = true });
        Allowed(Member(Mirrored with { IsPrimary = true, IsListed = true }));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_volume_in_journal_mode_is_refused_at_both_sites(bool isPrimary)
    {
        RefusedMember("it is mirrored in journal mode", Mirrored with { Mode = MirrorImageMode.Journal, IsPrimary = isPrimary });
        RefusedMember("it is mirrored in journal mode", Mirrored with { Mode = MirrorImageMode.Journal, IsPrimary = isPrimary, IsListed = true });
    }

    [Fact]
    public void A_group_with_members_is_not_deleted()
    {
        Allowed(GroupRules.Deletion([]));
        Refused(ReplicationError.FailedPrecondition, "it still has 2 volumes; take them out first", GroupRules.Deletion(["a", "b"]));
        Refused(ReplicationError.FailedPrecondition, "it still has 1 volume; take", GroupRules.Deletion(["a"]));
    }

    [Fact]
    public void A_name_stands_for_the_group_that_the_directory_has_and_else_for_a_new_one()
    {
        Allowed(GroupRules.Name(null, "derived", 2, out var uuid));
        Assert.Equal("derived", uuid);
        Allowed(GroupRules.Name(Uuid, "derived", 2, out uuid));
        Assert.Equal(Uuid, uuid);
        Allowed(GroupRules.Name($"0000000000000002/{Uuid}", "derived", 2, out uuid));
        Assert.Equal(Uuid, uuid);
        Refused(ReplicationError.AlreadyExists, "a group of this name is in pool 5", GroupRules.Name($"0000000000000005/{Uuid}", "derived", 2, out _));
        Refused(ReplicationError.AlreadyExists, "its directory entry is \"x\"", GroupRules.Name("x", "derived", 2, out _));
    }

    [Fact]
    public void The_group_of_a_name_has_to_be_the_one_that_is_asked_for()
    {
        Allowed(GroupRules.Same(null, "n", "g"));
        Allowed(GroupRules.Same(new(Uuid, null, null, []), "n", "g"));
        Allowed(GroupRules.Same(new(Uuid, "n", "g", ["m"]), "n", "g"));
        Refused(ReplicationError.AlreadyExists, "belongs to the group of name other", GroupRules.Same(new(Uuid, "other", "g", []), "n", "g"));
        Refused(ReplicationError.AlreadyExists, "it exists as RBD group old, and the class makes it g; correct volumeNamePrefix", GroupRules.Same(new(Uuid, "n", "old", []), "n", "g"));
    }
}
