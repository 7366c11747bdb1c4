using System.Text;
using CsCheck;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class VolumeHandleTests
{
    private const string Rook = "0001-0009-rook-ceph-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005";

    private static readonly Gen<string> Uuid = Gen.Byte.Array[16].Select(bytes => new Guid(bytes).ToString());

    private static readonly Gen<string> ClusterId =
        Gen.Char["abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. öд"].Array[1, 32].Select(characters => new string(characters));

    [Theory]
    [InlineData(Rook, "rook-ceph", 2, "0c23de1c-18fb-11eb-a903-0242ac110005")]
    [InlineData("0001-0011-secondary-cluster-0000000000000005-00000000-1111-2222-3333-444444444444", "secondary-cluster", 5, "00000000-1111-2222-3333-444444444444")]
    [InlineData("0001-0005-pröd-0000000000000001-00000000-1111-2222-3333-444444444444", "pröd", 1, "00000000-1111-2222-3333-444444444444")]
    [InlineData("0001-0001-a-ffffffffffffffff-00000000-1111-2222-3333-444444444444", "a", -1, "00000000-1111-2222-3333-444444444444")]
    [InlineData("0001-000d-a-cluster-0-1-0000000000000001-0C23DE1C-18FB-11EB-A903-0242AC110005", "a-cluster-0-1", 1, "0C23DE1C-18FB-11EB-A903-0242AC110005")]
    public void A_handle_of_ceph_csi_is_read_and_written_byte_for_byte(string text, string clusterId, long poolId, string uuid)
    {
        Assert.True(VolumeHandle.TryParse(text, out var handle, out var problem), problem);
        Assert.Equal(new VolumeHandle(clusterId, poolId, uuid), handle);
        Assert.Equal(text, handle.ToString());
    }

    [Fact]
    public void Upper_case_digits_are_accepted_as_ceph_csi_accepts_them()
    {
        Assert.True(VolumeHandle.TryParse("0001-000A-abcdefghij-00000000000000FF-00000000-1111-2222-3333-444444444444", out var handle, out _));
        Assert.Equal(255, handle.PoolId);
    }

    [Fact]
    public void The_longest_handle_has_a_cluster_id_of_64_bytes()
    {
        var longest = new VolumeHandle(new string('c', 64), 1, Guid.NewGuid().ToString());
        Assert.Equal(VolumeHandle.MaximumBytes, longest.ToString().Length);
        Assert.True(VolumeHandle.TryParse(longest.ToString(), out var read, out _));
        Assert.Equal(longest, read);
        Assert.Throws<ArgumentException>(() => longest.WithLocation(new string('c', 65), 1));
        Assert.Throws<ArgumentException>(() => longest.WithLocation(new string('ö', 33), 1));
        Assert.Throws<ArgumentException>(() => longest.WithLocation("", 1));
    }

    public static TheoryData<string, string> Malformed => new()
    {
        { "", "fewer than the 64" },
        { "csi-vol-0c23de1c-18fb-11eb-a903-0242ac110005", "fewer than the 64" },
        { "mig_mons-b7f67366bb43f32e07d8a261a7840da9_image-e0b45b52-7e09-47d3-8f1b-806995fa4412_706f6f6c5f7265706c6963615f706f6f6c", "version is not four" },
        { "0001-0000--0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005", "cluster id is empty" },
        { Rook[..^1], "go with a cluster id" },
        { Rook + "0", "go with a cluster id" },
        { Rook.Replace("0009", "0008"), "go with a cluster id" },
        { Rook.Replace("0009", "000a"), "go with a cluster id" },
        { Rook.Replace("0009", "ffff"), "go with a cluster id" },
        { Rook.Replace("0009", "00g9"), "not four hexadecimal digits" },
        { Rook.Replace("0009", " 009"), "not four hexadecimal digits" },
        { Rook.Replace("0009", "+009"), "not four hexadecimal digits" },
        { Rook.Replace("0009", "9\0\0\0"), "not four hexadecimal digits" },
        { "0002" + Rook[4..], "only version 1" },
        { "0000" + Rook[4..], "only version 1" },
        { "1\0\0\0" + Rook[4..], "version is not four" },
        { "v001" + Rook[4..], "version is not four" },
        { Rook.Replace("-0000000000000002-", "-000000000000000g-"), "pool number" },
        { Rook.Replace("-0000000000000002-", "-00000000000002\0\0-"), "pool number" },
        { Rook.Replace("rook-ceph", "rook\0ceph"), "control characters" },
        { Rook.Replace("rook-ceph", "rook\nceph"), "control characters" },
        { Rook.Replace("rook-ceph-", "rook-cephX"), "a dash" },
        { Rook.Replace("0001-", "0001_"), "a dash" },
        { Rook.Replace("0c23de1c-", "0c23de1cx"), "not a uuid" },
        { Rook.Replace("0c23de1c", "+c23de1c"), "not a uuid" },
        { Rook.Replace("0c23de1c", "0xc23de1"), "not a uuid" },
        { Rook.Replace("0c23de1c", "0c23de1\0"), "not a uuid" },
        { Rook.Replace("0c23de1c", "0c23de1é"), "go with a cluster id" },
        { Rook.Replace("rook", "röök"), "go with a cluster id" },
        { Rook.Replace("rook", "roo\ud800"), "no valid text" },
        { Rook.Replace("rook", "roo\udc00"), "no valid text" },
        { new string('é', 100), "longer than 128 bytes" },
        { Rook + new string('0', 100), "more than 128" },
        { new string('\0', 73), "version is not four" },
        { new string('0', 1024 * 1024), "more than 128" },
    };

    [Theory]
    [MemberData(nameof(Malformed), DisableDiscoveryEnumeration = true)]
    public void Anything_else_is_refused_with_its_fault_and_without_repeating_it(string text, string fault)
    {
        Assert.False(VolumeHandle.TryParse(text, out _, out var problem));
        Assert.Contains(fault, problem, StringComparison.Ordinal);
        Assert.InRange(problem.Length, 1, 200);
    }

    [Fact]
    public void Every_cluster_id_pool_and_uuid_comes_back_from_its_handle() =>
        Gen.Select(ClusterId, Gen.Long, Uuid).Where(parts => Encoding.UTF8.GetByteCount(parts.Item1) is > 0 and <= 64).Sample(parts =>
        {
            var handle = new VolumeHandle("x", 0, parts.Item3).WithLocation(parts.Item1, parts.Item2);
            Assert.True(VolumeHandle.TryParse(handle.ToString(), out var read, out var problem), problem);
            Assert.Equal(handle, read);
            Assert.Equal(64 + Encoding.UTF8.GetByteCount(parts.Item1), Encoding.UTF8.GetByteCount(handle.ToString()));
        });

    [Fact]
    public void No_text_makes_the_reader_fail_and_what_it_accepts_it_writes_the_same() =>
        Gen.Select(Gen.Int[0, Rook.Length - 1], Gen.Char, Gen.Int[0, 3]).Sample((place, character, kind) =>
        {
            var text = kind switch
            {
                0 => Rook[..place] + character + Rook[(place + 1)..],
                1 => Rook[..place] + character + Rook[place..],
                2 => Rook[..place] + Rook[(place + 1)..],
                _ => Rook[..place],
            };
            if (VolumeHandle.TryParse(text, out var handle, out _))
                Assert.Equal(text, handle.ToString(), ignoreCase: true);
        });
}
