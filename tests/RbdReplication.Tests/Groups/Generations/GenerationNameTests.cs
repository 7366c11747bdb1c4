using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests.Groups.Generations;

public sealed class GenerationNameTests
{
    private const string Group = "0c23de1c-18fb-11eb-a903-0242ac110005";

    [Fact]
    public void A_snapshot_is_known_by_its_name_and_whether_it_is_finished()
    {
        var name = new GenerationName(Group, 42).ToString();
        Assert.Equal("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110005.42", name);
        Assert.Equal(42, GenerationName.NumberOf(Group, name, out var isFinished));
        Assert.True(isFinished);
        Assert.Equal(42, GenerationName.NumberOf(Group, name + GenerationTaking.UnfinishedMark + "00ff", out isFinished));
        Assert.False(isFinished);
    }

    [Fact]
    public void A_snapshot_of_any_group_tells_which()
    {
        var name = new GenerationName(Group, 7);
        Assert.Equal(name, GenerationName.Parse($"{name}"));
        Assert.Null(GenerationName.Parse(name + GenerationTaking.UnfinishedMark + "00ff"));
        Assert.Equal(name, GenerationName.Parse(name + GenerationTaking.UnfinishedMark + "00ff", out _));
        Assert.Null(GenerationName.Parse("rbd-replication.before-upgrade.7", out _));
        Assert.Null(GenerationName.Parse("rbd-replication.7", out _));
    }

    [Theory]
    [InlineData("before-upgrade")]
    [InlineData("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110006.42")]
    [InlineData("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110005.042")]
    [InlineData("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110005.-1")]
    [InlineData("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110005.")]
    [InlineData("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110005.1.2")]
    [InlineData("rbd-replication.0c23de1c-18fb-11eb-a903-0242ac110005.99999999999999999999")]
    [InlineData(".unfinished-")]
    [InlineData("")]
    public void Whatever_else_an_image_has_is_not_the_groups(string name) => Assert.Null(GenerationName.NumberOf(Group, name, out _));
}
