using CsCheck;
using RbdReplication.Core;
using RbdReplication.Tests.Hostile;

namespace RbdReplication.Tests.Drills;

public sealed class DrillKeysTests
{
    private static readonly Drill Whole = new("q4", new DateTimeOffset(2026, 11, 28, 1, 2, 3, TimeSpan.Zero), "drill-q4", "0001-0001-a-0000000000000001-0c23de1c-18fb-11eb-a903-0242ac110005",
    [
        new("0001-0001-a-0000000000000001-0c23de1c-18fb-11eb-a903-0242ac110006", "pvc-1", "csi-vol-1", "0123", "0c23de1c-18fb-11eb-a903-0242ac110007", "csi-vol-",
            new DrillPoint("rbd-replication.point.one", 1 << 30, new DateTimeOffset(2026, 11, 28, 0, 0, 0, TimeSpan.Zero), IsExact: true)) { EncryptionKms = "vault", EncryptionType = "block" },
        new("0001-0001-a-0000000000000001-0c23de1c-18fb-11eb-a903-0242ac110008", null, "csi-vol-2", "0124", "0c23de1c-18fb-11eb-a903-0242ac110009", "my-",
            new DrillPoint("rbd-replication.point.two", 1 << 20, new DateTimeOffset(2026, 11, 27, 0, 0, 0, TimeSpan.Zero), IsExact: false)),
    ]);

    private static Dictionary<string, string> Written() => DrillKeys.Of(Whole).ToDictionary();

    [Fact]
    public void What_is_written_is_read_again()
    {
        var read = DrillKeys.Read("q4", Written())!;
        Assert.Equal(Whole.Members, read.Members);
        Assert.Equal(Whole with { Members = [] }, read with { Members = [] });
        var keys = Written();
        keys[DrillKeys.Complete] = "true";
        Assert.True(DrillKeys.Read("q4", keys)!.IsComplete);
    }

    [Theory]
    [InlineData("member.0001", "{}")]
    [InlineData("member.0001", "null")]
    [InlineData("member.0001", "[]")]
    [InlineData("member.0001", "")]
    [InlineData("member.0002", """{"source":"short","uuid":"../../x","point":{"snapshotName":"a"}}""")]
    [InlineData("created", "yesterday")]
    public void What_cannot_be_read_is_nothing(string key, string value)
    {
        var keys = Written();
        keys[key] = value;
        Assert.Null(DrillKeys.Read("q4", keys));
        keys.Remove("created");
        Assert.Null(DrillKeys.Read("q4", keys));
    }

    [Fact]
    public void Whatever_stands_there_it_is_read_or_it_is_nothing() => Gen.OneOf(JsonGen.Changes(Written()["member.0000"]), JsonGen.OtherValues(Written()["member.0000"])).Sample(json =>
    {
        var keys = Written();
        keys["member.0000"] = json;
        Assert.True(DrillKeys.Read("q4", keys) is null or { Members.Count: 2 });
    });
}
