using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Volumes;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Tests.PersistentVolumes;

public sealed class ReconcileRequestTests
{
    private const string Driver = "rbd.csi.ceph.com";
    private const string Uuid = "0c23de1c-18fb-11eb-a903-0242ac110005";

    private static readonly PersistentVolume Good = new()
    {
        Name = "pvc-1",
        Driver = Driver,
        VolumeHandle = "0001-0009-rook-ceph-0000000000000002-" + Uuid,
        Claim = new ObjectName("apps", "data"),
        Secret = new ObjectName("ceph", "csi-rbd"),
        Pool = "replicapool",
    };

    [Fact]
    public void A_good_volume_gives_its_mapping()
    {
        var request = ReconcileRequest.From(Good, out _)!;
        Assert.Equal(("pvc-1", Uuid, "apps"), (request.Reservation.RequestName, request.Reservation.Uuid, request.Reservation.Owner));
        Assert.Equal("csi-vol-" + Uuid, request.Reservation.ImageName);
        Assert.Equal("replicapool", request.JournalPool);
        Assert.Null(request.Reservation.EncryptionKms);
    }

    [Fact]
    public void Prefix_and_journal_pool_are_taken_from_the_attributes()
    {
        var request = ReconcileRequest.From(Good with { VolumeNamePrefix = "gold-", JournalPool = "journals" }, out _)!;
        Assert.Equal("gold-" + Uuid, request.Reservation.ImageName);
        Assert.Equal("journals", request.JournalPool);
    }

    [Theory]
    [InlineData("true", null, null, "default", "block")]
    [InlineData("True", "vault", "", "vault", "block")]
    [InlineData("1", "vault", "file", "vault", "file")]
    [InlineData("false", "vault", "file", null, null)]
    [InlineData("", "vault", null, null, null)]
    public void Encryption_is_read_as_the_provisioner_reads_it(string encrypted, string? kms, string? type, string? expectedKms, string? expectedType)
    {
        var request = ReconcileRequest.From(Good with { Encrypted = encrypted, EncryptionKmsId = kms, EncryptionType = type }, out _)!;
        Assert.Equal((expectedKms, expectedType), (request.Reservation.EncryptionKms, request.Reservation.EncryptionType));
    }

    public static TheoryData<PersistentVolume, string> BrokenVolumes => new()
    {
        { Good with { VolumeHandle = null }, "volumeHandle" },
        { Good with { VolumeHandle = "csi-vol-static" }, "csi-vol-static" },
        { Good with { VolumeHandle = new string('x', 100_000) }, "volumeHandle" },
        { Good with { Pool = null }, "pool" },
        { Good with { Secret = null }, "controllerExpandSecretRef" },
        { Good with { Secret = new ObjectName("", "name") }, "controllerExpandSecretRef" },
        { Good with { Encrypted = "maybe" }, "maybe" },
        { Good with { Encrypted = "true", EncryptionType = "tape" }, "tape" },
    };

    [Theory]
    [MemberData(nameof(BrokenVolumes))]
    public void A_broken_volume_gives_a_short_reason(PersistentVolume volume, string part)
    {
        Assert.Null(ReconcileRequest.From(volume, out var problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
        Assert.InRange(problem.Length, 1, 400);
    }

    [Fact]
    public void Volumes_that_need_no_mapping_are_exempt()
    {
        Assert.False(ReconcileRequest.IsExempt(Good, Driver));
        Assert.True(ReconcileRequest.IsExempt(Good with { Deleting = true }, Driver));
        Assert.True(ReconcileRequest.IsExempt(Good with { Claim = null }, Driver));
        Assert.True(ReconcileRequest.IsExempt(Good with { IsStatic = true }, Driver));
        Assert.True(ReconcileRequest.IsExempt(Good with { IsCephFs = true }, Driver));
        Assert.True(ReconcileRequest.IsExempt(Good, "another.example.com"));
    }
}
