using CsCheck;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class JournalKeysTests
{
    private const string Uuid = "0c23de1c-18fb-11eb-a903-0242ac110005";

    [Fact]
    public void Objects_and_keys_have_the_names_of_ceph_csi()
    {
        Assert.Equal("csi.volumes.default", JournalKeys.DirectoryObject("default"));
        Assert.Equal("csi.volume.pvc-1", JournalKeys.DirectoryKey("pvc-1"));
        Assert.Equal("csi.volume." + Uuid, JournalKeys.VolumeObject(Uuid));
    }

    [Theory]
    [InlineData(5, 5, Uuid)]
    [InlineData(5, 6, "0000000000000005/" + Uuid)]
    [InlineData(255, 1, "00000000000000ff/" + Uuid)]
    public void A_directory_value_names_the_pool_only_where_it_is_another(long imagePool, long journalPool, string value)
    {
        Assert.Equal(value, JournalKeys.DirectoryValue(Uuid, imagePool, journalPool));
        Assert.True(JournalKeys.TryParseDirectoryValue(value, journalPool, out var uuid, out var pool));
        Assert.Equal((Uuid, imagePool), (uuid, pool));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("0000000000000005/")]
    [InlineData("/" + Uuid)]
    [InlineData("x/" + Uuid)]
    [InlineData("000000000000005\0/" + Uuid)]
    [InlineData("0001-0009-rook-ceph-0000000000000002-" + Uuid)]
    public void Other_directory_values_are_refused(string value) => Assert.False(JournalKeys.TryParseDirectoryValue(value, 1, out _, out _));

    [Fact]
    public void Every_pool_number_comes_back_from_its_text() => Gen.Long.Sample(pool =>
    {
        var text = JournalKeys.PoolText(pool);
        return text.Length == 16 && JournalKeys.TryParsePool(text, out var read) && read == pool;
    });

    [Fact]
    public void A_record_takes_what_is_there_and_empty_values_for_absent_ones()
    {
        var record = JournalEntry.From(new Dictionary<string, string>
        {
            ["csi.volname"] = "pvc-1",
            ["csi.imagename"] = "",
            ["csi.volume.owner"] = "apps",
            ["csi.journalpool"] = "0000000000000007",
            ["csi.unknown"] = "x",
        });
        Assert.Equal(new JournalEntry("pvc-1", null, null, "apps", 7), record);
        Assert.Equal("csi-vol-" + Uuid, record.ImageNameOr(Uuid));
    }

    [Fact]
    public void A_journal_pool_that_is_no_number_is_left_out() =>
        Assert.Null(JournalEntry.From(new Dictionary<string, string> { ["csi.journalpool"] = "seven" }).JournalPoolId);
}
